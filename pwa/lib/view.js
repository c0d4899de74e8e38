// What a set of events amounts to: the status, who is in conflict with whom, what has been settled. The twin of
// `server/dossier/view.py`, where the five stages are explained; the numbers below are theirs.

import { bit, has, isParallel, members } from "./order.js";
import { DECISIONS, MOVES, nextStatus } from "./states.js";

/** @typedef {import("./order.js").Order} Order */
/** @typedef {{kind: "decision" | "submission", members: bigint, sides: bigint, undone: bigint}} Open a conflict nobody has settled */
/** @typedef {{chosen: number, losers: bigint, sides: bigint, kind: "decision" | "submission"}} Resolution */
/**
 * The outcome of a set of events. Indexes are those of the order, -1 for none.
 * @typedef {object} View
 * @property {import("./states.js").Status} status @property {import("./states.js").Status} resume
 * @property {number} root the submission that counts @property {number} accepted
 * @property {bigint} stepped @property {bigint} overtaken @property {bigint} setAside @property {bigint} disputed
 * @property {Open[]} open
 */

/** @type {View} */
export const EMPTY = { status: "none", resume: "none", root: -1, accepted: -1, stepped: 0n, overtaken: 0n, setAside: 0n, disputed: 0n, open: [] };

/** @param {bigint} a @param {number[]} which @returns {bigint} `a` and the indexes */
const withAll = (a, which) => which.reduce((all, i) => all | bit(i), a);

/** The views of a stream's events, taken in order: `before(i)`, then `admit` or `passOver`, then the next. */
export class Views {
  /** @param {Order} order */
  constructor(order) {
    this.order = order;
    /** @type {Map<number, View>} */
    this.after = new Map();
    /** @type {Map<bigint, View>} */
    this.merged = new Map([[0n, EMPTY]]);
    /** @type {Map<number, Resolution>} */
    this.resolutions = new Map();
    /** Acts that wait for a leader's review. @type {Set<number>} */
    this.held = new Set();
    /** Review → the held act it adopted. @type {Map<number, number>} */
    this.adoptions = new Map();
    /** Held act → the set of reviews that discarded it. @type {Map<number, bigint>} */
    this.discards = new Map();
    this.moves = this.decisions = this.submissions = this.witnesses = 0n;
  }

  /** What the event at an index performs: itself, or the held act that a review adopted. @param {number} i */
  standsFor(i) {
    return this.adoptions.get(i) ?? i;
  }

  /** @param {number} i */
  event(i) {
    return this.order.docs[this.standsFor(i)].event;
  }

  /** @param {string} id @param {bigint} set @returns {number} the index in `set` that performs this event, -1 if none does */
  member(id, set) {
    const wanted = this.order.index.get(id);
    return members(set).find((i) => this.standsFor(i) === wanted) ?? -1;
  }

  /** @param {number} held @returns {bigint} its admitted reviews */
  reviewsOf(held) {
    return withAll(this.discards.get(held) ?? 0n, [...this.adoptions].filter(([, act]) => act === held).map(([i]) => i));
  }

  /** @param {bigint} set @returns {bigint} its adoptions that another review in it outweighs */
  dropped(set) {
    const adopted = new Set();
    let dropped = 0n;
    for (const [i, act] of [...this.adoptions].sort(([a], [b]) => a - b)) {
      if (!has(set, i)) continue;
      if ((this.discards.get(act) ?? 0n) & set || adopted.has(act)) dropped |= bit(i);
      adopted.add(act);
    }
    return dropped;
  }

  /** @param {number} i @returns {View} of all that the author of event `i` had seen */
  before(i) {
    const past = this.order.past[i];
    for (const parent of this.order.parents[i]) {
      if (past === (this.order.past[parent] | bit(parent))) return /** @type {View} */ (this.after.get(parent));
    }
    return this.merge(past);
  }

  /** Count event `i`, whose view is `view`. @param {number} i @param {View} view @param {boolean} isOffice */
  admit(i, view, isOffice) {
    const { event } = this.order.docs[i];
    if (event.type === "dossier.act_reviewed") {
      const held = /** @type {number} */ (this.order.index.get(event.body.of));
      if (event.body.decision === "discarded") {
        this.discards.set(held, (this.discards.get(held) ?? 0n) | bit(i));
        return this.passOver(i, view);
      }
      this.adoptions.set(i, held);
    }
    const { type } = this.event(i);
    if (isOffice) this.witnesses |= bit(i);
    if (type === "dossier.conflict_resolved") {
      this.resolutions.set(i, this.resolution(i, view));
      this.after.set(i, this.merge(this.order.past[i] | bit(i)));
      return;
    }
    if (type in MOVES) this.moves |= bit(i);
    if (type in DECISIONS) this.decisions |= bit(i);
    if (type === "dossier.submitted") this.submissions |= bit(i);
    this.after.set(i, this.step(view, i));
  }

  /** Let event `i` stand in the order without counting. @param {number} i @param {View} view */
  passOver(i, view) {
    this.after.set(i, view);
  }

  /** @returns {View} of everything that is not waiting */
  whole() {
    const { heads, index, docs, waiting } = this.order;
    if (!heads.length) return EMPTY;
    if (heads.length === 1) return /** @type {View} */ (this.after.get(/** @type {number} */ (index.get(heads[0]))));
    return this.merge((bit(docs.length) - 1n) & ~waiting);
  }

  /** @param {bigint} set @returns {View} */
  merge(set) {
    const known = this.merged.get(set) ?? this.build(set);
    this.merged.set(set, known);
    return known;
  }

  /** @param {bigint} set @returns {View} */
  build(set) {
    set &= ~this.dropped(set);
    const moves = this.moves & set;
    const { settled, undone } = this.standing(set); // 1
    let setAside = 0n; // 2: who saw the settlement or the chosen side did not build on the loser alone
    for (const [i, one] of settled) setAside |= this.dependents(moves, one.losers, bit(i) | bit(one.chosen));
    const { root, rivals, open } = this.submission(set, moves & ~setAside, undone); // 3
    let disputed = this.dependents(moves, rivals, root >= 0 ? bit(root) : 0n);
    const alive = moves & ~setAside & ~disputed;
    open.push(...this.conflicts(alive, undone)); // 4
    for (const one of open) if (one.kind === "decision") disputed |= one.members | this.onOneSide(alive, one);
    /** @type {View} */
    const view = { ...EMPTY, setAside, disputed, open };
    return members(moves & ~setAside & ~disputed).reduce((so, i) => this.step(so, i), view); // 5
  }

  /** Stage 1: the resolutions that stand, and the set of those that contradict each other. @param {bigint} set */
  standing(set) {
    const here = [...this.resolutions].filter(([i]) => has(set, i));
    const latest = here.filter(([i, one]) => !here.some(([j, other]) => has(this.order.past[j], i) && contradict(one, other)));
    const clash = latest.filter(([i, one]) => latest.some(([j, other]) => i !== j && contradict(one, other))).map(([i]) => i);
    return { settled: latest.filter(([i]) => !clash.includes(i)), undone: withAll(0n, clash) };
  }

  /** `causes` and those of `moves` that build on them and on nothing in `unless`. @param {bigint} moves @param {bigint} causes @param {bigint} unless */
  dependents(moves, causes, unless) {
    if (!causes) return 0n;
    return withAll(causes, members(moves).filter((i) => this.order.past[i] & causes && !(this.order.past[i] & unless)));
  }

  /** Stage 3: of several submissions the one that more of the office's events build on, else the smaller id. @param {bigint} set @param {bigint} alive @param {bigint} undone */
  submission(set, alive, undone) {
    const all = members(this.submissions & alive);
    /** @type {Open[]} */
    const open = [];
    if (!all.length) return { root: -1, rivals: 0n, open };
    const witnesses = members(this.witnesses & set).map((i) => this.order.past[i]);
    const support = (/** @type {number} */ s) => witnesses.filter((past) => has(past, s)).length;
    const [root] = [...all].sort((a, b) => support(b) - support(a) || (this.order.ids[a] < this.order.ids[b] ? -1 : 1));
    const together = withAll(0n, all);
    if (all.length > 1) open.push({ kind: "submission", members: together, sides: together, undone: this.undoneAbout(undone, together) });
    return { root, rivals: together & ~bit(root), open };
  }

  /** Stage 4: connected groups of parallel decisions that disagree. @param {bigint} alive @param {bigint} undone @returns {Open[]} */
  conflicts(alive, undone) {
    const decisions = members(this.decisions & alive);
    const against = new Map(decisions.map((i) => [i, withAll(0n, decisions.filter((j) => this.disagree(i, j)))]));
    const open = /** @type {Open[]} */ ([]);
    let left = withAll(0n, decisions.filter((i) => against.get(i)));
    while (left) {
      let group = left & -left;
      for (let fresh = group; fresh; ) {
        const reached = members(fresh).reduce((all, i) => all | (against.get(i) ?? 0n), 0n);
        fresh = reached & ~group;
        group |= fresh;
      }
      left &= ~group;
      const sides = withAll(0n, members(group).filter((i) => !(this.order.past[i] & group)));
      open.push({ kind: "decision", members: group, sides, undone: this.undoneAbout(undone, group) });
    }
    return open;
  }

  /** @param {number} i @param {number} j */
  disagree(i, j) {
    if (!isParallel(this.order, i, j)) return false;
    const [one, other] = [this.event(i), this.event(j)];
    return one.type !== other.type || DECISIONS[one.type].some((name) => one.body[name] !== other.body[name]);
  }

  /** What builds on one side of a conflict and had not seen the others. @param {bigint} alive @param {Open} conflict */
  onOneSide(alive, conflict) {
    const { past } = this.order;
    return withAll(0n, members(alive & ~conflict.members).filter((i) => past[i] & conflict.members && conflict.sides & ~past[i]));
  }

  /** @param {bigint} undone @param {bigint} about */
  undoneAbout(undone, about) {
    return withAll(0n, members(undone).filter((i) => has(about, /** @type {Resolution} */ (this.resolutions.get(i)).chosen)));
  }

  /** What the admissible event `i` settles: it puts aside all that disagrees with what it chose. @param {number} i @param {View} view @returns {Resolution} */
  resolution(i, view) {
    const named = this.event(i).body.chosen;
    const conflict = /** @type {Open} */ (view.open.find((one) => this.member(named, one.members) >= 0));
    const chosen = this.member(named, conflict.members);
    const losers = conflict.kind === "submission" ? conflict.members & ~bit(chosen)
      : withAll(0n, members(conflict.members).filter((j) => this.disagree(chosen, j)));
    return { chosen, losers, sides: conflict.sides, kind: conflict.kind };
  }

  /** @param {View} view @param {number} i @returns {View} after event `i`, which builds on all of it or comes later in order */
  step(view, i) {
    const { type } = this.event(i);
    if (!(type in MOVES)) return view;
    const target = nextStatus(type, view.status, view.resume);
    if (target === null || (type === "dossier.accepted" && view.accepted >= 0)) return { ...view, overtaken: view.overtaken | bit(i) };
    return {
      ...view, status: target, stepped: view.stepped | bit(i),
      resume: type === "dossier.supplement_requested" ? view.status : view.resume,
      root: type === "dossier.submitted" ? i : view.root,
      accepted: type === "dossier.accepted" ? i : view.accepted,
    };
  }
}

/** @param {Resolution} one @param {Resolution} other */
const contradict = (one, other) => has(one.losers, other.chosen) || has(other.losers, one.chosen);

"""`/api/files`: chunks and manifests in, whole files out to those who may see a dossier that names them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from flask import Blueprint, Response, jsonify

from replication.document import Doc
from server.api.bodies import JSON_BYTES, member, read_body, read_json
from server.api.errors import error_response
from server.api.headers import FILE_POLICY
from server.api.speaker import Speaker, Speakers
from server.dossier.documents import chunk_doc, manifest_doc
from server.dossier.manifest import MAX_CHUNK_BYTES, MAX_CHUNKS, parse_manifest
from server.errors import Missing, Refused
from server.intake.source import Source
from server.node.assembly import Node
from server.readmodel.queries import FileUse

MAX_ASKED = 4 * MAX_CHUNKS

# What the first bytes of each type we take look like. A file that says one thing and is another is handed out as
# bytes to save, never to be opened in the page.
_BEGINNINGS = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/webp": (b"RIFF",),
    "application/pdf": (b"%PDF-",),
}


def files_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("files", __name__, url_prefix="/files")

    @blueprint.post("/missing")
    def missing() -> Response:
        speakers.current()
        chunks = member(read_json(), "chunks", list)
        if len(chunks) > MAX_ASKED or not all(isinstance(each, str) and len(each) <= 64 for each in chunks):
            raise Refused("schema", f'"chunks" lists at most {MAX_ASKED} content ids', member="chunks")
        return jsonify(missing=node.files.missing(node.unit, list(dict.fromkeys(chunks))))

    @blueprint.put("/chunks/<chunk>")
    def put_chunk(chunk: str) -> tuple[Response, int]:
        speaker = speakers.current()
        data = read_body(MAX_CHUNK_BYTES)
        if not data:
            raise Refused("schema", "a chunk has at least one byte")
        doc = chunk_doc(data)
        if doc.id != chunk:
            raise Refused("bad_hash", f"these bytes are {doc.id}, they came as {chunk[:64]}; send the chunk again")
        _admit(node, doc, speaker)
        return jsonify(ok=True, id=doc.id), 201

    @blueprint.put("/manifests/<manifest_id>")
    def put_manifest(manifest_id: str) -> Response | tuple[Response, int]:
        speaker = speakers.current()
        manifest = parse_manifest(member(read_json(limit_bytes=JSON_BYTES), "manifest", dict))
        if manifest.id != manifest_id:
            raise Refused("bad_hash", f"this manifest is {manifest.id}, it came as {manifest_id[:64]}")
        absent = node.files.missing(node.unit, tuple(dict.fromkeys(manifest.chunks)))
        if absent:
            return _chunks_missing(absent)
        node.files.verify(node.unit, manifest)
        _admit(node, manifest_doc(manifest), speaker)
        return jsonify(ok=True, id=manifest.id), 201

    @blueprint.get("/manifests/<manifest_id>/signatures")
    def signatures(manifest_id: str) -> Response:
        """What the signatures inside a PDF are worth: asked when an official attaches it, before signing the event."""
        speakers.official()
        return jsonify(node.papers.check(node.unit, manifest_id).value())

    @blueprint.get("/<sha256>")
    def fetch(sha256: str) -> Response:
        speaker = speakers.current()
        return _file(node, _use(node, speaker, sha256), sha256)

    return blueprint


def _admit(node: Node, doc: Doc, speaker: Speaker) -> None:
    source = Source("person" if speaker.who.kind == "person" else "peer", speaker.urn)
    result = node.intake.admit(node.files_database, [doc], source=source)[0]
    if result.error is not None:
        raise result.error


def _chunks_missing(absent: list[str]) -> Response:
    """A refusal that also says what to send."""
    response = error_response(409, "chunks_missing", f"{len(absent)} chunks are not here yet; send them, then this")
    value = response.get_json() | {"missing": absent}
    response.set_data(json.dumps(value, ensure_ascii=False))
    return response


def _use(node: Node, speaker: Speaker, sha256: str) -> FileUse:
    """Return a dossier's naming of the file that the speaker may see. Raises `Missing`, whatever the reason."""
    for use in node.model.queries.file_uses(sha256):
        row = node.model.queries.dossier(use.stream)
        if row is not None and speaker.may_see(row):
            return use
    raise Missing("there is no such file here, or it is not yours to see")


def _file(node: Node, use: FileUse, sha256: str) -> Response:
    """Return the file. No browser keeps a copy (`server.api.headers`), although its name is the hash of its content:
    a desk computer is shared, and what was erased here must not open from there."""
    manifest = node.files.manifest(use.unit, use.manifest)
    if manifest is None or manifest.sha256 != sha256:
        raise Missing("this file has not arrived here yet")
    if node.files.presence(use.unit, use.manifest).missing:
        raise Missing("parts of this file have not arrived here yet")
    chunks = node.files.read(use.unit, manifest)
    first = next(chunks)
    honest = first.startswith(_BEGINNINGS.get(use.type, ()))

    def body() -> Iterator[bytes]:
        yield first
        yield from chunks

    response = Response(body(), mimetype=use.type if honest else "application/octet-stream")
    response.content_length = manifest.size
    disposition = "inline" if honest else "attachment"
    response.headers["Content-Disposition"] = f"{disposition}; filename*=UTF-8''{quote(use.name, safe='')}"
    response.headers["Content-Security-Policy"] = FILE_POLICY
    return response

"""Short texts by which an office says how a dossier stands, read out or sent as an SMS from its own phone.

    Ho so ...0001: can bo sung giay to. Moi mo ung dung Tram hoac den Bo phan Mot cua. Tin nay khong kem duong dan.

Senders of text messages can be forged (an SMS "from" an authority is no proof of anything), so a notice must be
worthless to imitate: no link, no number to call, no code to enter, no word about money, nothing that only the office
knows. It sends people to where the signed truth is. Written without diacritics: in the GSM 7-bit alphabet
(3GPP TS 23.038) a single message holds 160 characters, with Vietnamese letters 70.
"""

from __future__ import annotations

from server.dossier import states
from server.dossier.dossier import Dossier

SMS_CHARS = 160
TAIL = 4
_HOW = "Moi mo ung dung Tram hoac den Bo phan Mot cua. Tin nay khong kem duong dan."
NEWS = {
    states.RECEIVED: "da duoc tiep nhan.",
    states.REFUSED: "khong duoc tiep nhan, co ly do.",
    states.PROCESSING: "dang duoc giai quyet.",
    states.WAITING_PAPERS: "can bo sung giay to.",
    states.STOPPED: "da dung giai quyet, co ly do.",
    states.DONE: "da co ket qua.",
    states.RETURNED: "da tra ket qua.",
}


def build_notice(dossier: Dossier) -> str:
    """Return the text for the state a dossier is in, ASCII of at most `SMS_CHARS`; "" where there is no news.

    It names the last four characters of the official code, by which the applicant alone knows the dossier.
    """
    news = NEWS.get(dossier.status, "")
    which = f"...{dossier.code[-TAIL:]}" if dossier.code else "cua ban"
    return f"Ho so {which}: {news} {_HOW}" if news else ""

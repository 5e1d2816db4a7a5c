"""Examples of crossings, changes and people, each of which a test sends."""

from app.api.examples import Examples, example

CROSSING_EXAMPLES: Examples = {
    "now": example("Now", checkpoint="SHEREMETYEVO-AIR"),
    "earlier": example(
        "Earlier, by the checkpoint's time", checkpoint="BREST-ROAD", occurred_at="2026-12-01T08:00:00+03:00"
    ),
    "offline": example(
        "Scanned without a network, and let through by the officer",
        checkpoint="SHEREMETYEVO-AIR",
        occurred_at="2026-12-01T08:30:00+03:00",
        scan_id="booth-7/000123",
        source="late_upload",
        confidence=0.9,
        observed={"decision": "admit", "reason": "admitted"},
    ),
}

_SEEN = {"type": "passport", "number": "SP0000001", "issuing_state": "UZB"}

REPORT_EXAMPLES: Examples = {
    "entry": example("An entry", direction="entry", checkpoint="SHEREMETYEVO-AIR", document=_SEEN),
    "exit": example(
        "An exit of one of several who share a passport",
        direction="exit",
        checkpoint="SHEREMETYEVO-AIR",
        document=_SEEN,
        holder={"given_names": "Aziz", "birth_date": "1990-05-12"},
    ),
}

BATCH_EXAMPLES: Examples = {
    "two": example(
        "Two scans of a night without a network",
        items=[
            {
                "direction": direction,
                "checkpoint": "SHEREMETYEVO-AIR",
                "occurred_at": f"2026-12-01T0{hour}:00:00+03:00",
                "scan_id": f"booth-7/00012{hour}",
                "source": "late_upload",
                "observed": {"decision": "admit", "reason": None},
                "document": _SEEN,
            }
            for hour, direction in ((4, "entry"), (5, "exit"))
        ],
    ),
}

CHANGE_EXAMPLES: Examples = {
    "patent_payment": example(
        "A month of a work patent", kind="patent_payment", reason="payment order", paid_through="2026-12-31"
    ),
    "extension": example(
        "A course of study", kind="extension", reason="request of the school", basis="education", until="2027-06-30"
    ),
    "shortening": example("The stay must end earlier", kind="shortening", reason="decision", until="2026-12-10"),
    "correction": example(
        "The entry was the day before",
        kind="correction",
        reason="mistyped at the booth",
        entry={"occurred_at": "2026-11-30T09:00:00+03:00"},
    ),
    "document_added": example(
        "A renewed passport",
        kind="document_added",
        reason="renewed",
        document={"type": "passport", "number": "SP0099999", "issuing_state": "UZB", "expires_on": "2036-01-01"},
    ),
    "purpose_change": example("Another purpose", kind="purpose_change", reason="contract", purpose="employment"),
    "loss": example("Lost: a duplicate, please", kind="loss", reason="lost"),
    "annulment": example("It must not be", kind="annulment", reason="issued by mistake"),
}

LINK_EXAMPLES: Examples = {
    "second": example(
        "A second passport",
        evidence="both passports shown at the office",
        document={"type": "passport", "number": "SP0088888", "issuing_state": "KAZ", "expires_on": "2034-05-01"},
    ),
}

MERGE_EXAMPLES: Examples = {
    "other": example(
        "The other record", traveller="tr_0123456789abcdef0123456789abcdef", reason="both passports shown at the office"
    ),
}

"""An audit to be killed: `python -m killed_audit FOLDER DELAY`, where every question to the network takes DELAY seconds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import small_audits as small
from hoodwink.auditing import audit as audits
from hoodwink.auditing import sentinels
from hoodwink.auditing.records import AuditResult

PICTURES = small.draw(20, 4)
LABELS = small.answers(small.model(), PICTURES)
ASKED: dict[str, Any] = {"eps": [4 / 255, 8 / 255], "budget": "quick", "sentinels": 3, "free": True, "batch": 7, "seed": 3}


def run(folder: Path, delay: float = 0.0, **changes: Any) -> AuditResult:
    """Begin the audit, or go on with it."""
    asked = {"pictures": PICTURES, "labels": LABELS, "resume": True, **ASKED, **changes}
    return audits.audit(
        asked.pop("model", None) or small.model(delay=delay), asked.pop("pictures"), asked.pop("labels"), out=folder, **asked
    )


if __name__ == "__main__":
    sentinels.QUERIES, sentinels._STEPS = 40, 8  # as `cheap` has it
    setattr(audits, "prepare", small.unprepared)  # noqa: B010
    run(Path(sys.argv[1]), float(sys.argv[2]))

"""Gas profiles as a file for https://www.speedscope.app: an evented profile for each call from outside.

The format is https://www.speedscope.app/file-format-schema.json; gas is no unit that it has, so the unit is "none".
"""

import json
from collections.abc import Iterable

from evmthread.debugging.gas_profile import Called, GasProfile

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def speedscope_file(profiles: Iterable[GasProfile], *, name: str) -> str:
    """The text of a file with these profiles."""
    frames: dict[Called, int] = {}
    shown = []
    for profile in profiles:
        events = [
            {
                "type": "O" if event.opens else "C",
                "frame": frames.setdefault(event.called, len(frames)),
                "at": event.gas,
            }
            for event in profile.events
        ]
        shown.append(
            {
                "type": "evented",
                "name": profile.title,
                "unit": "none",
                "startValue": 0,
                "endValue": profile.gas,
                "events": events,
            }
        )
    record = {
        "$schema": _SCHEMA,
        "exporter": "evmthread",
        "name": name,
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(called) for called in frames]},
        "profiles": shown,
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def _frame(called: Called) -> dict[str, object]:
    frame: dict[str, object] = {"name": called.name}
    if called.source is not None:
        frame["file"] = called.source
    if called.line is not None:
        frame["line"] = called.line
    return frame

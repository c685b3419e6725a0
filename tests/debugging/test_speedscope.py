"""Files for speedscope: of the form that its schema asks for, and saying what the profile says."""

import json

from evmthread.debugging.gas_profile import Called, Event, GasProfile
from evmthread.debugging.speedscope import speedscope_file


def test_a_file() -> None:
    f, g = Called("f", "a.sol", 7), Called("g")
    events = [Event(True, f, 0), Event(True, g, 10), Event(False, g, 30), Event(False, f, 31)]
    text = speedscope_file([GasProfile("one", 31, events), GasProfile("two", 5, [])], name="game")
    assert json.loads(text) == {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "evmthread",
        "name": "game",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": "f", "file": "a.sol", "line": 7}, {"name": "g"}]},
        "profiles": [
            {
                "type": "evented",
                "name": "one",
                "unit": "none",
                "startValue": 0,
                "endValue": 31,
                "events": [
                    {"type": "O", "frame": 0, "at": 0},
                    {"type": "O", "frame": 1, "at": 10},
                    {"type": "C", "frame": 1, "at": 30},
                    {"type": "C", "frame": 0, "at": 31},
                ],
            },
            {"type": "evented", "name": "two", "unit": "none", "startValue": 0, "endValue": 5, "events": []},
        ],
    }

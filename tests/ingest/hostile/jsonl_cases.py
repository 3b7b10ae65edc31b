"""JSON lines: values of every type, numbers, keys, depth, length, what is no JSON."""

from __future__ import annotations

import json

from tests.ingest.hostile.case import ROW, Case, jsonl

GOOD = '{"user_id":"u","item_id":"i","timestamp":1}\n'
OTHER = ("v", "j", 2)


def _line(**values: object) -> str:
    return json.dumps({"user_id": "v", "item_id": "j", "timestamp": 2, **values}) + "\n"


def _raw(field: str, text: str) -> str:
    """A good line but for the text that stands where the field's value should."""
    values = {"user_id": '"v"', "item_id": '"j"', "timestamp": "2", field: text}
    return "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}\n"


def _kept(name: str, text: str, *row: object) -> Case:
    return jsonl(name, GOOD + text, ROW, tuple(row))


def _bad(name: str, text: str, field: str, reason: str) -> Case:
    return jsonl(name, GOOD + text + GOOD.replace("1", "3"), ROW, ("u", "i", 3), bad=[(2, field, reason)])


IDS = [
    _kept("an integer id", _raw("user_id", "7"), "7", "j", 2),
    _kept("a negative integer id", _raw("user_id", "-7"), "-7", "j", 2),
    _kept("an integer beyond a double", _raw("user_id", "9007199254740993"), "9007199254740993", "j", 2),
    _kept("an integer beyond 64 bits", _raw("user_id", "18446744073709551617"), "18446744073709551617", "j", 2),
    _kept("text of digits", _raw("user_id", '"007"'), "007", "j", 2),
    _kept("text that spells nothing", _raw("user_id", '"null"'), "null", "j", 2),
    _kept("escapes", _raw("user_id", '"\\u00e9\\/\\""'), 'é/"', "j", 2),
    _kept("a surrogate pair", _raw("user_id", '"\\ud83d\\ude00"'), "😀", "j", 2),
    *(_bad(f"{kind} as user_id", _raw("user_id", text), "user_id", reason) for kind, text, reason in (
        ("null", "null", "missing"), ("empty", '""', "empty"), ("true", "true", "boolean"), ("a float", "7.0", "float"),
        ("an exponent", "1e5", "float"), ("a list", "[7]", "list"), ("an empty list", "[]", "list"),
        ("an object", '{"a":1}', "object"), ("a lone surrogate", '"\\ud800"', "surrogate"),
        ("a lone low surrogate", '"a\\udfff"', "surrogate"), ("surrogates in the wrong order", '"\\ude00\\ud83d"', "surrogate"),
        ("an escaped control character", '"a\\u0007"', "control"), ("an escaped zero", '"\\u0000"', "control"),
        ("an escaped c1 control", '"\\u0085"', "control"), ("an escaped line end", '"a\\nb"', "control"),
        ("1025 bytes", '"' + "x" * 1025 + '"', "1024 bytes"), ("an integer of 2000 digits", "9" * 2000, "1024 bytes"),
    )),
    _bad("an integer of 5000 digits", _raw("user_id", "9" * 5000), "record", "4300 digits"),
    *(_bad(f"{kind} as item_id", _raw("item_id", text), "item_id", reason) for kind, text, reason in (
        ("null", "null", "missing"), ("true", "true", "boolean"), ("a float", "7.5", "float"), ("a list", "[]", "list"),
    )),
]  # fmt: skip

TIMES = [
    _kept("text of digits", _raw("timestamp", '"2"'), "v", "j", 2),
    _kept("iso 8601", _raw("timestamp", '"1970-01-01T00:00:02Z"'), "v", "j", 2),
    jsonl("minus nothing is nothing", GOOD + _raw("timestamp", "-0"), ("v", "j", 0), ROW),
    *(_bad(f"{kind}", _raw("timestamp", text), "timestamp", reason) for kind, text, reason in (
        ("null", "null", "missing"), ("empty", '""', "neither"), ("a float", "2.0", "float"), ("an exponent", "1e9", "float"),
        ("a boolean", "true", "boolean"), ("a list", "[2]", "list"), ("negative", "-1", "neither"),
        ("milliseconds", "1600000000000", "1970"), ("beyond 64 bits", "18446744073709551617", "1970|neither"),
    )),
]  # fmt: skip

NUMBERS = [
    *(_bad(f"rating {text}", _raw("rating", text), field, reason) for text, field, reason in (
        ("NaN", "record", "not JSON"), ("Infinity", "record", "not JSON"), ("-Infinity", "record", "not JSON"),
        ("1e999", "rating", "finite"), ('"NaN"', "rating", "finite"), ('"inf"', "rating", "finite"), ('"1_000"', "rating", "finite"),
        ('"٣"', "rating", "finite"), ("true", "rating", "boolean"), ("[1]", "rating", "list"), ('" 1"', "rating", "finite"),
    )),
    _bad("weight -1", _raw("weight", "-1"), "weight", "negative"),
    _bad("weight nan text", _raw("weight", '"nan"'), "weight", "finite"),
    _bad("event in a list", _raw("event", '["view"]'), "event", "list"),
    *(_kept(f"rating {text}", _raw("rating", text), "v", "j", 2) for text in ("null", '""', "4", "4.5", '"4.5"', "-1", "1e2")),
    _kept("weight -0.0", _raw("weight", "-0.0"), "v", "j", 2),
    _bad("NaN in a key that is ignored", _line(x=float("nan")), "record", "not JSON: NaN"),
]  # fmt: skip

KEYS = [
    _bad("a doubled key", '{"user_id":"v","user_id":"w","item_id":"j","timestamp":2}\n', "record", "stands twice"),
    _bad("a doubled key, one escaped", '{"user_id":"v","\\u0075ser_id":"w","item_id":"j","timestamp":2}\n', "record", "stands twice"),
    _bad("a missing key", '{"item_id":"j","timestamp":2}\n', "user_id", "missing"),
    _bad("a key in capitals", '{"USER_ID":"v","item_id":"j","timestamp":2}\n', "user_id", "missing"),
    _kept("keys in any order", '{"timestamp":2,"x":[1,{"y":null}],"item_id":"j","user_id":"v"}\n', *OTHER),
    _kept("a lone surrogate in a value that is ignored", '{"user_id":"v","item_id":"j","timestamp":2,"x":"\\ud800"}\n', *OTHER),
    _kept("a lone surrogate in a key that is ignored", '{"user_id":"v","item_id":"j","timestamp":2,"\\ud800":1}\n', *OTHER),
    jsonl("no line has the key", '{"uid":"u","item_id":"i","timestamp":1}\n' * 3, refused="no column 'user_id'; did you mean 'uid'"),
]  # fmt: skip

SHAPES = [
    *(_bad(name, text + "\n", "record", reason) for name, text, reason in (
        ("a list", '["v","j",2]', "not a JSON object"), ("text", '"v"', "not a JSON object"), ("a number", "2", "not a JSON object"),
        ("null", "null", "not a JSON object"), ("two objects", _line()[:-1] * 2, "Extra data"), ("half an object", '{"user_id":"v"', "not JSON"),
        ("single quotes", "{'user_id':'v'}", "not JSON"), ("a comma too many", '{"user_id":"v",}', "not JSON"),
        ("a comment", "// rows", "not JSON"), ("a raw control character", '{"user_id":"a\x01","item_id":"j","timestamp":2}', "not JSON"),
        ("a raw tab", '{"user_id":"a\t","item_id":"j","timestamp":2}', "not JSON"), ("a bom", "\ufeff{}", "not JSON"),
        ("a blank of another kind", "\u00a0", "not JSON"), ("a vertical tab", "\x0b", "not JSON"), ("a file separator", "\x1c", "not JSON"),
        ("100,000 lists", "[" * 100_000, "nested|not a JSON"), ("100,000 lists, closed", '{"x":' + "[" * 100_000 + "]" * 100_000 + "}", "nested"),
        ("100,000 objects", '{"a":' * 100_000 + "1" + "}" * 100_000, "nested"), ("10 MB", '{"x":"' + "x" * 10_000_000 + '"}', "longer than"),
        ("a plain csv line", "v,j,2", "not JSON"), ("a zero byte", "\0", "not JSON"),
    )),
    jsonl("a nest of 500 that is ignored", GOOD + _line()[:-2] + ',"x":' + "[" * 500 + "]" * 500 + "}\n", ROW, OTHER),
    jsonl("blank lines", "\n\n" + GOOD + " \t \n\r\n" + _line(), ROW, OTHER),
    jsonl("windows line ends", (GOOD + _line()).replace("\n", "\r\n"), ROW, OTHER),
    jsonl("a line separator within", GOOD + _raw("user_id", '"a\u2028b"'), ROW, ("a\u2028b", "j", 2)),
    jsonl("bom", "\ufeff" + GOOD, ROW),
    jsonl("no end on the last line", GOOD[:-1], ROW),
    jsonl("cut off", GOOD + GOOD[:20], refused="line 2: the file is cut off"),
    jsonl("cut off in an object within", GOOD + GOOD[:-2] + ',"more":{}', refused="line 2: the file is cut off"),
    jsonl("zeros after a power cut", GOOD + "\0" * 640, refused="line 2: the file is cut off"),
    jsonl("cut off in a text that ends so", GOOD + '{"user_id":"}', refused="line 2: the file is cut off"),
    *(
        jsonl(f"at the end without a line's end: {text}", GOOD + text, ROW, bad=[(2, "record", reason)])
        for text, reason in (
            (_raw("user_id", "NaN").strip(), "not JSON: NaN"),
            ("[1]", "not a JSON object"),
            ('{"a":1,"a":2}', "a key stands twice in one object"),
            ("{'a':1}", "not JSON: Expecting property name enclosed in double quotes at column 2"),
            ("{} {}", "not JSON: Extra data at column 3"),
        )
    ),
    jsonl("cut off in a word of ours", GOOD + GOOD[:-2], refused="line 2: the file is cut off"),
    jsonl("utf-16", GOOD.encode("utf-16"), refused="UTF-16"),
    jsonl("latin-1", GOOD.encode() + b'{"user_id":"\xe9"}\n', refused="line 2: not UTF-8"),
    jsonl("empty", "", refused="empty"),
    jsonl("a json array over many lines", "[\n" + GOOD.replace("\n", ",\n") * 3 + GOOD + "]\n", refused="rows are bad", contract={"max_bad_fraction": 0.2}),
    jsonl("a document printed in full", json.dumps({"user_id": "u", "item_id": "i", "timestamp": 1}, indent=2), refused="."),
    jsonl("csv by its content", "user_id,item_id,timestamp\nu,i,1\n", refused="not JSON"),
    jsonl("a line without end", GOOD + "x" * (20 << 20), refused="line 2 is longer than 16 MiB"),
    jsonl("equal lines", GOOD * 3, ROW, repeated=2),
    jsonl("equal, keys in another order", GOOD + '{"timestamp":1,"item_id":"i","user_id":"u"}\n', ROW, repeated=1),
    jsonl("an integer id equals its text", '{"user_id":7,"item_id":"i","timestamp":1}\n{"user_id":"7","item_id":"i","timestamp":1}\n', ("7", "i", 1), repeated=1),
    jsonl("equal but for case", GOOD.replace('"u"', '"U"') + GOOD, ("U", "i", 1), ROW),
]  # fmt: skip

CASES = {"ids": IDS, "times": TIMES, "numbers": NUMBERS, "keys": KEYS, "shapes": SHAPES}

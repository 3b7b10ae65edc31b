"""Delimited text: marks, encodings, line ends, quotes, widths, headers, lengths."""

from __future__ import annotations

from tests.ingest.hostile.case import GOOD, HEADER, ROW, Case, csv

WIDE = "user_id,item_id,timestamp,note\n"
UTF16 = "not UTF-8.*UTF-16"

ENCODINGS = [
    csv("bom", "\ufeff" + HEADER + GOOD, ROW),
    csv("bom before a quoted header", '\ufeff"user_id","item_id","timestamp"\n' + GOOD, ROW),
    csv("bom alone", "\ufeff", refused="empty"),
    csv("two boms", "\ufeff\ufeff" + HEADER + GOOD, refused="no column 'user_id'"),
    csv("bom within is part of the id", HEADER + "\ufeffu,i,1\n", ("\ufeffu", "i", 1)),
    csv("utf-16 with bom", (HEADER + GOOD).encode("utf-16"), refused=UTF16),
    csv("utf-16 big-endian with bom", b"\xfe\xff" + (HEADER + GOOD).encode("utf-16-be"), refused=UTF16),
    csv("utf-16 without bom", (HEADER + GOOD).encode("utf-16-le"), refused=UTF16),
    csv("utf-32", (HEADER + GOOD).encode("utf-32"), refused=UTF16),
    csv("latin-1", (HEADER + GOOD).encode() + "é,i,2\n".encode("latin-1"), refused="line 3: not UTF-8.*0xe9"),
    csv("latin-1 in a column that is ignored", WIDE.encode() + b"u,i,1,\xe9\n", refused="line 2: not UTF-8"),
    csv("overlong utf-8", HEADER.encode() + b"\xc0\xaf,i,1\n", refused="line 2: not UTF-8"),
    csv("a surrogate in utf-8", HEADER.encode() + b"\xed\xa0\x80,i,1\n", refused="line 2: not UTF-8"),
    csv("a character cut off at the end", HEADER.encode() + b"u,i,1\nv\xc3", refused="line 3: not UTF-8"),
    csv("nothing but zeros", b"\0" * 5000, refused="not UTF-8"),
    csv("zeros after a power cut", HEADER + GOOD + "\0" * 640, refused="line 3: the file is cut off"),
    csv("the dos end of file", HEADER + GOOD + "\x1a", refused="line 3: the file is cut off"),
    csv("a zero byte in an id", HEADER + "u\0,i,1\n" + GOOD, ROW, bad=[(2, "user_id", "control")]),
    csv("a zero byte in a column that is ignored", WIDE + "u,i,1,\0\n", ROW),
    csv("beyond the basic plane", HEADER + "😀,\U0001d518,1\n", ("😀", "\U0001d518", 1)),
    csv("composed and decomposed are two", HEADER + "\u00e9,i,1\ne\u0301,i,2\n", ("\u00e9", "i", 1), ("e\u0301", "i", 2)),
]

LINE_ENDS = [
    csv("windows", HEADER.replace("\n", "\r\n") + "u,i,1\r\n", ROW),
    csv("windows and unix mixed", HEADER + "u,i,1\r\nv,i,2\n", ROW, ("v", "i", 2)),
    csv("old mac", (HEADER + GOOD).replace("\n", "\r"), refused="line 1: the header is not CSV"),
    csv("a lone carriage return", HEADER + "u,i,1\nv,i\r,2\nw,i,3\n", ROW, ("w", "i", 3), bad=[(3, "record", "new-line")]),
    csv("a carriage return in quotes", HEADER + '"a\rb",i,1\n' + GOOD, ROW, bad=[(2, "user_id", "control")]),
    csv("carriage return twice", HEADER + "u,i,1\r\r\n" + "v,i,2\r\n", ROW, ("v", "i", 2)),
    csv("no end on the last line", HEADER + "u,i,1", ROW),
    csv("the last line is cut off", HEADER + GOOD + "v,i", refused="line 3: the file is cut off"),
    csv("blank lines are no rows", HEADER + "\n" + GOOD + "\n\r\n" + "v,i,2\n\n", ROW, ("v", "i", 2)),
    csv("blanks are a row", HEADER + "   \n" + GOOD, ROW, bad=[(2, "record", "1 fields where the header has 3")]),
    csv("a line separator is text", HEADER + "a\u2028b,c\u2029d,1\n", ("a\u2028b", "c\u2029d", 1)),
    csv("next line is a control character", HEADER + "a\x85,i,1\n" + GOOD, ROW, bad=[(2, "user_id", "control")]),
    csv(
        "vertical tab and form feed",
        HEADER + "a\x0b,i,1\nu,\x0c,1\n" + GOOD,
        ROW,
        bad=[(2, "user_id", "con"), (3, "item_id", "con")],
    ),
]

QUOTES = [
    csv("everything quoted", '"user_id","item_id","timestamp"\n"u","i","1"\n', ROW),
    csv("a delimiter in quotes", HEADER + '"u,v",i,1\n', ("u,v", "i", 1)),
    csv("doubled quotes", HEADER + '"u""v","""",1\n', ('u"v', '"', 1)),
    csv("an empty quoted id", HEADER + '"",i,1\n' + GOOD, ROW, bad=[(2, "user_id", "empty")]),
    csv("never closed, last line", HEADER + GOOD + '"v,i,2\n', ROW, bad=[(3, "record", "a quoted field never ends")]),
    csv(
        "never closed, first of many",
        HEADER + '"v,i,0\n' + GOOD + "v,i,2\n" * 99,
        ROW,
        ("v", "i", 2),
        repeated=98,
        bad=[(2, "record", "never ends")],
    ),
    csv(
        "never closed, without a line end",
        HEADER + GOOD + 'v,"i',
        refused="line 3: the file is cut off here .a quoted field never ends",
    ),
    csv("never closed, many lines before a cut", HEADER + GOOD + 'v,"i,2\nw,i,3\nx', refused="line 5: the file is cut off"),
    csv(
        "never closed in every line", HEADER + GOOD + 'a","b\n' * 50, ROW, bad=[(line, "record", ".") for line in range(3, 53)]
    ),
    csv(
        "quotes that pair with the next line's, 100,000 times",
        HEADER + GOOD + 'a","b\n' * 100_000,
        refused="very many unpaired quotes",
    ),
    csv(
        "closed lines later, with other lines within",
        WIDE + 'u,i,1,x\nv,i,"2\nw,i,3,"\nx,i,4,x\n',
        ROW,
        ("x", "i", 4),
        bad=[(3, "record", "3 fields in 2 lines"), (4, "record", "never ends")],
    ),
    csv(
        "a lost quote costs its line only",
        HEADER + 'a,"i,1\nb,i,2\nc,"i",3\nd,i,4\n',
        ("b", "i", 2),
        ("c", "i", 3),
        ("d", "i", 4),
        bad=[(2, "record", "expected after")],
    ),
    csv("text after a quote", HEADER + '"u"v,i,1\n' + GOOD, ROW, bad=[(2, "record", "expected after")]),
    csv("a quote within an unquoted field is text", HEADER + 'u"v,i,1\n', ('u"v', "i", 1)),
    csv("a blank before a quote makes it text", HEADER + ' "u",i,1\n', (' "u"', "i", 1)),
    csv("single quotes are text", HEADER + "'u','i',1\n", ("'u'", "'i'", 1)),
    csv("a backslash is text", HEADER + '"u\\",i,1\n', ("u\\", "i", 1)),
    csv("a line end in a column that is ignored", WIDE + 'u,i,1,"a\nb\n\nc"\nv,,2,x\n', ROW, bad=[(6, "item_id", "empty")]),
    csv("a windows line end in quotes", WIDE + 'u,i,1,"a\r\nb"\r\nv,,2,x\r\n', ROW, bad=[(4, "item_id", "empty")]),
    csv("a line end in an id", HEADER + '"a\nb",i,1\n' + GOOD, ROW, bad=[(2, "user_id", "control")]),
    csv(
        "a line end in the header", '"no\nte",user_id,item_id,timestamp\nx,u,i,1\nx,,i,1\n', ROW, bad=[(4, "user_id", "empty")]
    ),
]

WIDTHS = [
    csv("a short row", HEADER + "u,i\n" + GOOD, ROW, bad=[(2, "record", "2 fields where the header has 3")]),
    csv("a long row", HEADER + "u,i,1,x\n" + GOOD, ROW, bad=[(2, "record", "4 fields where the header has 3")]),
    csv("a delimiter too many at every end", HEADER + "u,i,1,\nv,i,2,\n", refused="2 of 2 rows are bad"),
    csv("ragged in turn", HEADER + "u\nu,i,1\nu,i\nu,i,1,1\n,,\n", ROW, bad=[(2, "record", "1"), (4, "record", "2"), (5, "record", "4"), (6, "user_id", "empty")]),
    csv("a wide file", "user_id,item_id,timestamp," + ",".join(f"c{n}" for n in range(2000)) + "\nu,i,1" + "," * 2000 + "\n", ROW),
]  # fmt: skip

HEADERS = [
    csv("header only", HEADER, refused="holds no rows"),
    csv("header only, without a line end", HEADER[:-1], refused="holds no rows"),
    csv("empty", "", refused="empty"),
    csv("blank", " \n\t\n", refused="empty"),
    csv("no header", GOOD * 3, refused="no column 'user_id'"),
    csv("a blank line first", "\n" + HEADER + GOOD, refused="no column 'user_id'"),
    csv("a missing column", "user_id,timestamp\nu,1\n", refused="log.csv: no column 'item_id'"),
    csv("a doubled column", "user_id,user_id,item_id,timestamp\nu,v,i,1\n", refused="'user_id' stands 2 times"),
    csv("a doubled column that is ignored", "x,user_id,x,item_id,timestamp\n1,u,2,i,1\n", ROW),
    csv("a column without a name", ",user_id,item_id,timestamp,\n0,u,i,1,\n", ROW),
    csv("blanks around a name", "user_id, item_id,timestamp\n" + GOOD, refused="no column 'item_id'; did you mean ' item_id'"),
    csv("capitals", HEADER.upper() + GOOD, refused="no column 'user_id'"),
    csv("the spreadsheet's own first line", "sep=,\n" + HEADER + GOOD, refused="no column 'user_id'"),
    csv("a quote in the header never closed", '"user_id,item_id,timestamp\n' + GOOD, refused="line 1: the header is not CSV"),
    csv("any order", "timestamp,item_id,user_id\n1,i,u\n", ROW),
    csv("tabs", (HEADER + GOOD).replace(",", "\t"), ROW),
    csv("semicolons", (HEADER + GOOD).replace(",", ";"), ROW),
    csv("bars", (HEADER + GOOD).replace(",", "|"), ROW),
    csv("a declared delimiter", (HEADER + GOOD).replace(",", "^"), ROW, arguments={"delimiter": "^"}),
    csv("the wrong delimiter", HEADER + GOOD, refused="no column", arguments={"delimiter": ";"}),
    csv("a mapped column", "uid,item_id,timestamp\n" + GOOD, ROW, arguments={"columns": {"user_id": "uid"}}),
    csv("a mapped column stands twice", "uid,uid,item_id,timestamp\nu,v,i,1\n", refused="'uid' stands 2 times", arguments={"columns": {"user_id": "uid"}}),
    csv("a header of 10 MB", "user_id,item_id,timestamp," + "x" * 10_000_000 + "\nu,i,1,\n", ROW),
]  # fmt: skip

LENGTHS = [
    csv("131,073 bytes in a column that is ignored", WIDE + "u,i,1," + "x" * 131_073 + "\n", ROW),
    csv("the same in quotes, doubled", WIDE + 'u,i,1,"' + '""' * 131_073 + '"\n', ROW),
    csv("the same beside a bad line", WIDE + "u,i,1," + "x" * 131_073 + "\nv,i\n", ROW, bad=[(3, "record", "2 fields")]),
    csv("131,073 bytes of id", HEADER + "x" * 131_073 + ",i,1\n" + GOOD, ROW, bad=[(2, "user_id", "1024 bytes")]),
    csv("1024 bytes of id", HEADER + "é" * 512 + ",i,1\n", ("é" * 512, "i", 1)),
    csv("1025 bytes of id", HEADER + "é" * 512 + "x,i,1\n" + GOOD, ROW, bad=[(2, "user_id", "1024 bytes")]),
    csv("a line of 10 MB", WIDE + "u,i,1," + "x" * 10_000_000 + "\nv,i,2,\n", ROW, ("v", "i", 2)),
    csv("a line of 10 MB in quotes over many lines", WIDE + 'u,i,1,"' + "xxxxxxxxx\n" * 1_000_000 + '"\nv,,2,\n', ROW, bad=[(1_000_003, "item_id", "empty")]),
    csv("a line without end", HEADER + "x" * (20 << 20), refused="line 2 is longer than 16 MiB"),
    csv("a quote that swallows 25 MB", WIDE + '"u,i,1,\n' + "v,i,2,xxxxxxxxxx\n" * 1_500_000, ("v", "i", 2), repeated=1_499_999, bad=[(2, "record", "never ends")]),
]  # fmt: skip

REPEATS = [
    csv("equal rows", HEADER + GOOD * 3, ROW, repeated=2),
    csv("equal but for case", HEADER + "X,i,1\nx,i,1\nX,i,1\n", ("X", "i", 1), ("x", "i", 1), repeated=1),
    csv("equal but for blanks", HEADER + "u,i,1\n u,i,1\nu ,i,1\n", ROW, (" u", "i", 1), ("u ", "i", 1)),
    csv("equal but for zeros", HEADER + "7,i,1\n007,i,1\n", ("7", "i", 1), ("007", "i", 1)),
    csv("equal, one quoted", HEADER + 'u,i,1\n"u","i","1"\n', ROW, repeated=1),
    csv("equal, times in two notations", HEADER + "u,i,1\nu,i,1970-01-01T00:00:01Z\n", ROW, repeated=1),
    csv("equal but for a column that is ignored", WIDE + "u,i,1,a\nu,i,1,b\n", ROW, repeated=1),
    csv("equal but for the rating", "user_id,item_id,timestamp,rating\nu,i,1,3\nu,i,1,4\nu,i,1,\n", ROW, ROW, ROW),
    csv("equal, ratings in two notations", "user_id,item_id,timestamp,rating\nu,i,1,3\nu,i,1,3.0\n", ROW, repeated=1),
    csv("bad rows are not counted as repeats", HEADER + ",i,1\n,i,1\n" + GOOD, ROW, bad=[(2, "user_id", "empty"), (3, "user_id", "empty")]),
]  # fmt: skip


def _share(bad: int, good: int, limit: float) -> str:
    return HEADER + ",i,1\n" * bad + "".join(f"u,i,{n}\n" for n in range(good))


def _shares() -> list[Case]:
    cases = []
    for limit, bad, good in ((0.2, 1, 4), (0.2, 20, 80), (0.29, 29, 71), (0.7, 7, 3), (0.1, 3, 27), (0.57, 57, 43)):
        contract = {"max_bad_fraction": limit}
        rows = [("u", "i", n) for n in range(good)]
        named = [(line, "user_id", "empty") for line in range(2, bad + 2)]
        cases.append(csv(f"exactly {limit}", _share(bad, good, limit), *rows, bad=named, contract=contract))
        cases.append(csv(f"one row over {limit}", _share(bad + 1, good, limit), refused="rows are bad", contract=contract))
    return cases


SHARES = [
    *_shares(),
    csv("no bad row is allowed", HEADER + ",i,1\n" + GOOD * 99, refused="1 of 100", contract={"max_bad_fraction": 0.0}),
    csv("all rows bad", HEADER + ",i,1\n", refused="1 of 1"),
]

CASES = {
    "encodings": ENCODINGS,
    "line ends": LINE_ENDS,
    "quotes": QUOTES,
    "widths": WIDTHS,
    "headers": HEADERS,
    "lengths": LENGTHS,
    "repeats": REPEATS,
    "share of bad rows": SHARES,
}

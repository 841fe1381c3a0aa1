"""Requests of HTTP/1.x that two servers could read differently, by class, each with what it must come to: refused with 400 and
closed, or read as exactly these requests. All our own, after RFC 9112, 9110 and 3986 and the classes that are known by name
(CL.TE, TE.CL, TE.TE, CL.CL, TE.0, line ends, folding, chunk extensions, trailers)."""
import re
from collections import namedtuple

REFUSED = None
# seen: REFUSED, or [(method, target, body)]; closes: the connection ends after them. `before`: requests in front of a refused one.
Case = namedtuple("Case", "group name data seen closes before")
CASES = []

HOST = "Host: a"
CHUNKED = "Transfer-Encoding: chunked"
BODY = "2\r\nab\r\n0\r\n\r\n"
CONTROLS = [c for c in range(32) if c not in (9, 10, 13)] + [127]
SEPARATORS = '()<>@,;\\"/[]?={} '


def text(line, *headers, body=""):
    return "\r\n".join((line, *headers)) + "\r\n\r\n" + body


def post(*headers, body=""):
    return text("POST /x HTTP/1.1", HOST, *headers, body=body)


def add(group, name, data, seen=REFUSED, closes=False, before=()):
    CASES.append(Case(group, name, data.encode("latin-1"), seen, closes, list(before)))


def refused(group, named):
    for name, data in named.items():
        add(group, name, data)


def taken(group, named):
    for name, (data, seen) in named.items():
        add(group, name, data, [seen] if isinstance(seen, tuple) else seen)


X = ("POST", "/x", "ab")
EMPTY = ("POST", "/x", "")
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

# ---- Content-Length beside Transfer-Encoding, in every order and spelling
for cl in ("Content-Length: 2", "content-length: 6", "CONTENT-LENGTH: 0", "Content-Length: 00", "Content-Length: 99999"):
    for te in (CHUNKED, "transfer-encoding: Chunked", "TRANSFER-ENCODING:chunked", "Transfer-Encoding:\tchunked "):
        add("length beside chunks", f"{cl}, then {te!r}", post(cl, te, body=BODY + SMUGGLED))
        add("length beside chunks", f"{te!r}, then {cl}", post(te, cl, body=BODY + SMUGGLED))
refused("length beside chunks", {
    "a header between": post("Content-Length: 2", "X-A: b", CHUNKED, body=BODY),
    "two lengths, then chunks": post("Content-Length: 2", "Content-Length: 2", CHUNKED, body=BODY),
    "chunks in HTTP/1.0": text("POST /x HTTP/1.0", HOST, CHUNKED, body=BODY),
    "both in HTTP/1.0": text("POST /x HTTP/1.0", HOST, CHUNKED, "Content-Length: 2", body=BODY),
    "in a GET": text("GET /x HTTP/1.1", HOST, CHUNKED, "Content-Length: 2", body=BODY),
    "in a HEAD": text("HEAD /x HTTP/1.1", HOST, CHUNKED, "Content-Length: 2", body=BODY),
    "an encoding that is not known": post("Transfer-Encoding: x", "Content-Length: 2", body="ab"),
    "with Expect": post("Expect: 100-continue", "Content-Length: 2", CHUNKED, body=BODY),
    "with Connection naming one": post("Connection: content-length", "Content-Length: 2", CHUNKED, body=BODY),
})

# ---- lengths
LENGTHS = ("-2", "+2", "0x2", "2.0", "2e0", "2,", ",2", "2, 2", "2,2", "2,3", "2;2", "2 2", "\"2\"", "'2'", "2a", "a", "", " ", "2\t2", "(2)",
           "١", "\xb2", "2\xa0", "%32", "2_0", "1_0", "9223372036854775808", "18446744073709551615", "18446744073709551618",
           "4294967298x", "340282366920938463463374607431768211458", "-0", "2-", "NaN", "inf", "0b10", "0o2", "$2", "2\0", "2\x0b")
for value in LENGTHS:
    if all(ord(c) < 256 for c in value):
        add("lengths", ascii(value), post("Content-Length: " + value, body="ab"))
refused("lengths", {
    "two that differ": post("Content-Length: 2", "Content-Length: 3", body="abc"),
    "two that differ, apart": post("Content-Length: 3", "X-A: b", "Content-Length: 2", body="abc"),
    "three of which one differs": post("Content-Length: 2", "Content-Length: 2", "Content-Length: 0", body="ab"),
    "one and an empty one": post("Content-Length: 2", "Content-Length:", body="ab"),
    "an empty one and one": post("Content-Length:", "Content-Length: 2", body="ab"),
    "one and a list": post("Content-Length: 2", "Content-Length: 2, 2", body="ab"),
    "a space before the colon": post("Content-Length : 2", body="ab"),
    "a tab before the colon": post("Content-Length\t: 2", body="ab"),
    "a space in front": post(" Content-Length: 2", body="ab"),
    "a control in the name": post("Content\x0b-Length: 2", body="ab"),
    "folded": post("Content-Length:", " 2", body="ab"),
    "folded with a tab": post("Content-Length:", "\t2", body="ab"),
})
taken("lengths", {
    "plain": (post("Content-Length: 2", body="ab"), X),
    "no white space": (post("Content-Length:2", body="ab"), X),
    "much white space": (post("Content-Length: \t  2 \t ", body="ab"), X),
    "zeros in front": (post("Content-Length: 002", body="ab"), X),
    "twice the same": (post("Content-Length: 2", "Content-Length: 2", body="ab"), X),
    "upper case": (post("CONTENT-LENGTH: 2", body="ab"), X),
    "none": (post(), EMPTY),
    "an underscore is another header": (post("Content_Length: 5", "Content-Length: 2", body="ab"), X),
    "a header that ends in it": (post("X-Content-Length: 5", "Content-Length: 2", body="ab"), X),
    "a body that is a request": (post("Content-Length: %d" % len(SMUGGLED), body=SMUGGLED), ("POST", "/x", SMUGGLED)),
    "a GET with a body": (text("GET /x HTTP/1.1", HOST, "Content-Length: %d" % len(SMUGGLED), body=SMUGGLED), ("GET", "/x", SMUGGLED)),
    "a DELETE with a body": (text("DELETE /x HTTP/1.1", HOST, "Content-Length: 2", body="ab"), ("DELETE", "/x", "ab")),
})

# ---- Transfer-Encoding
ENCODINGS = ("gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked,chunked", "chunked,", ",chunked", ", chunked", "identity",
             "identity, chunked", "chunked, identity", "xchunked", "chunkedx", "chunked;q=1", "chunked; a=b", "\"chunked\"", "'chunked'",
             "chunk", "chunked\x0b", "\x0bchunked", "\x0cchunked", "\0chunked", "chunked\0", "ch\0unked", "chunked\x7f", "\xa0chunked",
             "chunked\x85", "chun ked", "chunked chunked", "c\xc4\xa5unked", "", "deflate", "compress, chunked", "none", "x", "chunked\x1f", "\x1fchunked",
             "trailers", "CHUNKED, GZIP", "%63hunked", "=?UTF-8?Q?chunked?=")
for value in ENCODINGS:
    add("encodings", ascii(value), post("Transfer-Encoding: " + value, body=BODY + SMUGGLED))
refused("encodings", {
    "twice": post(CHUNKED, CHUNKED, body=BODY),
    "twice in other cases": post(CHUNKED, "transfer-ENCODING: CHUNKED", body=BODY),
    "another and then chunked": post("Transfer-Encoding: x", CHUNKED, body=BODY),
    "chunked and then another": post(CHUNKED, "Transfer-Encoding: x", body=BODY),
    "chunked and then identity": post(CHUNKED, "Transfer-Encoding: identity", body=BODY),
    "an empty one and then chunked": post("Transfer-Encoding:", CHUNKED, body=BODY),
    "a space before the colon": post("Transfer-Encoding : chunked", body=BODY),
    "a tab before the colon": post("Transfer-Encoding\t: chunked", body=BODY),
    "a space in front": post(" Transfer-Encoding: chunked", body=BODY),
    "folded": post("Transfer-Encoding:", " chunked", body=BODY),
    "folded with a tab": post("Transfer-Encoding:", "\tchunked", body=BODY),
    "folded behind another": post("X-A: b", " Transfer-Encoding: chunked", body=BODY),
    "behind a bare LF": post("X-A: b\nTransfer-Encoding: chunked", body=BODY),
    "behind a bare CR": post("X-A: b\rTransfer-Encoding: chunked", body=BODY),
    "behind LF CR": post("X-A: b\n\rTransfer-Encoding: chunked", body=BODY),
    "a bare LF behind it": post("Transfer-Encoding: chunked\n", body=BODY),
    "a NUL in the name": post("Transfer\0-Encoding: chunked", body=BODY),
    "a control in front of the name": post("\x01Transfer-Encoding: chunked", body=BODY),
    "a byte order mark in front": post("\xef\xbb\xbfTransfer-Encoding: chunked", body=BODY),
})
taken("encodings", {
    "chunked": (post(CHUNKED, body=BODY), X),
    "in upper case": (post("TRANSFER-ENCODING: CHUNKED", body=BODY), X),
    "no white space": (post("Transfer-Encoding:chunked", body=BODY), X),
    "much white space": (post("Transfer-Encoding: \t chunked \t", body=BODY), X),
    "an underscore is another header": (post("Transfer_Encoding: chunked", "Content-Length: 2", body="ab"), X),
    "a header that starts like it": (post("Transfer-Encodings: chunked", "Content-Length: 2", body="ab"), X),
    "TE is another header": (post("TE: chunked", "Content-Length: 2", body="ab"), X),
})

# ---- chunks: sizes, extensions, ends
SIZES = ("-2", "+2", "0x2", "2h", " 2", "2 ", "\t2", "2\t", "2 ;a", "g", "", "2.0", "2,", "\"2\"", "100000000", "ffffffffff", "10000000000000002",
         "ffffffffffffffff", "fffffffffffffffe", "8000000000000000", "2\0", "\x002", "2\x0b", "\xb2", "2_", "_2", "000000000000000000002", "2\r", "2\n", ";a")
for size in SIZES:
    add("chunk sizes", ascii(size), post(CHUNKED, body=f"{size}\r\nab\r\n0\r\n\r\n" + SMUGGLED))
refused("chunk sizes", {
    "too small for its data": post(CHUNKED, body="1\r\nab\r\n0\r\n\r\n"),
    "too large for its data": post(CHUNKED, body="3\r\nab\r\n0\r\n\r\n"),
    "too large by its line end": post(CHUNKED, body="4\r\nab\r\n0\r\n\r\n"),
    "no line end behind the data": post(CHUNKED, body="2\r\nab0\r\n\r\n"),
    "a bare LF behind the data": post(CHUNKED, body="2\r\nab\n0\r\n\r\n"),
    "a bare CR behind the data": post(CHUNKED, body="2\r\nab\r0\r\n\r\n"),
    "two line ends behind the data": post(CHUNKED, body="2\r\nab\r\n\r\n0\r\n\r\n"),
    "a bare LF behind the size": post(CHUNKED, body="2\nab\r\n0\r\n\r\n"),
    "a bare CR behind the size": post(CHUNKED, body="2\rab\r\n0\r\n\r\n"),
    "CR CR LF behind the size": post(CHUNKED, body="2\r\r\nab\r\n0\r\n\r\n"),
    "a bare LF behind the last size": post(CHUNKED, body="2\r\nab\r\n0\n\r\n"),
    "a bare LF at the very end": post(CHUNKED, body="2\r\nab\r\n0\r\n\n"),
    "CR and another byte at the very end": post(CHUNKED, body="2\r\nab\r\n0\r\n\rX"),
    "a line end in front": post(CHUNKED, body="\r\n2\r\nab\r\n0\r\n\r\n"),
    "a negative last size": post(CHUNKED, body="2\r\nab\r\n-0\r\n\r\n"),
    "a bare LF in an extension": post(CHUNKED, body="2;a\nb\r\nab\r\n0\r\n\r\n"),
    "a bare CR in an extension": post(CHUNKED, body="2;a\rb\r\nab\r\n0\r\n\r\n"),
    "a NUL in an extension": post(CHUNKED, body="2;a\0b\r\nab\r\n0\r\n\r\n"),
    "a control in an extension": post(CHUNKED, body="2;a\x01b\r\nab\r\n0\r\n\r\n"),
    "an extension without a semicolon": post(CHUNKED, body="2a=b\r\nab\r\n0\r\n\r\n"),
    "an extension behind a space": post(CHUNKED, body="2 a\r\nab\r\n0\r\n\r\n"),
    "an extension without an end": post(CHUNKED, body="2;" + "a" * 20000),
    "extensions without an end": post(CHUNKED, body="1;aaaaaaaa\r\nb\r\n" * 3000),
})
taken("chunk sizes", {
    "upper and lower case": (post(CHUNKED, body="A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n"), ("POST", "/x", "01234567890123456789a")),
    "zeros in front": (post(CHUNKED, body="0002\r\nab\r\n000\r\n\r\n"), X),
    "an extension": (post(CHUNKED, body="2;a=b\r\nab\r\n0;c\r\n\r\n"), X),
    "a quoted extension": (post(CHUNKED, body='2;a="b;c"\r\nab\r\n0\r\n\r\n'), X),
    "an empty extension": (post(CHUNKED, body="2;\r\nab\r\n0\r\n\r\n"), X),
    "one byte each": (post(CHUNKED, body="1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), X),
    "nothing": (post(CHUNKED, body="0\r\n\r\n"), EMPTY),
    "data that looks like an end": (post(CHUNKED, body="5\r\n0\r\n\r\n\r\n0\r\n\r\n"), ("POST", "/x", "0\r\n\r\n")),
    "data that is a request": (post(CHUNKED, body="%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)), ("POST", "/x", SMUGGLED)),
    "a GET with chunks": (text("GET /x HTTP/1.1", HOST, CHUNKED, body=BODY), ("GET", "/x", "ab")),
})

# ---- trailers
refused("trailers", {
    "a space before the colon": post(CHUNKED, body="2\r\nab\r\n0\r\nX-T : 1\r\n\r\n"),
    "white space in front": post(CHUNKED, body="2\r\nab\r\n0\r\n X-T: 1\r\n\r\n"),
    "folded": post(CHUNKED, body="2\r\nab\r\n0\r\nX-T: 1\r\n 2\r\n\r\n"),
    "no colon": post(CHUNKED, body="2\r\nab\r\n0\r\nX-T\r\n\r\n"),
    "a request": post(CHUNKED, body="2\r\nab\r\n0\r\n" + SMUGGLED),
    "no name": post(CHUNKED, body="2\r\nab\r\n0\r\n: 1\r\n\r\n"),
    "a bare LF": post(CHUNKED, body="2\r\nab\r\n0\r\nX-T: 1\n\r\n"),
    "a bare LF inside": post(CHUNKED, body="2\r\nab\r\n0\r\nX-T: 1\n2\r\n\r\n"),
    "a bare CR": post(CHUNKED, body="2\r\nab\r\n0\r\nX-T: 1\r2\r\n\r\n"),
    "a NUL": post(CHUNKED, body="2\r\nab\r\n0\r\nX-T: 1\0\r\n\r\n"),
    "a control": post(CHUNKED, body="2\r\nab\r\n0\r\nX-T: \x01\r\n\r\n"),
    "no end": post(CHUNKED, body="2\r\nab\r\n0\r\n" + "X-T: 12345678\r\n" * 2000),
})
taken("trailers", {
    "one": (post(CHUNKED, body="2\r\nab\r\n0\r\nX-T: 1\r\n\r\n"), X),
    "a length": (post(CHUNKED, body="2\r\nab\r\n0\r\nContent-Length: 99\r\n\r\n"), X),
    "an encoding": (post(CHUNKED, body="2\r\nab\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), X),
    "a host": (post(CHUNKED, body="2\r\nab\r\n0\r\nHost: b\r\n\r\n"), X),
    "an empty one": (post(CHUNKED, body="2\r\nab\r\n0\r\nX-T:\r\n\r\n"), X),
})

# ---- line ends
GOOD = post("X-A: b", "Content-Length: 2")
for at, what in enumerate(("request line", "Host", "header", "last header", "empty line")):
    parts = GOOD.split("\r\n")[:5]
    for end, name in (("\n", "a bare LF"), ("\r", "a bare CR"), ("\n\r", "LF CR"), ("\r\r\n", "CR CR LF"), (" \n", "a space and LF")):
        add("line ends", f"{name} behind the {what}", "".join(p + (end if i == at else "\r\n") for i, p in enumerate(parts)) + "ab")
refused("line ends", {
    "all bare LF": GOOD.replace("\r\n", "\n") + "ab",
    "LF in the target": "GET /x\n HTTP/1.1\r\nHost: a\r\n\r\n",
    "CR in the target": "GET /x\r HTTP/1.1\r\nHost: a\r\n\r\n",
    "an LF in front": "\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a CR in front": "\rGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a bare CR in a value": post("X-A: b\rc"),
    "a bare LF in a value": post("X-A: b\nc"),
    "a bare CR at the end of a value": post("X-A: b\r"),
    "a name behind a bare CR": post("X-A: b\rContent-Length: 2", body="ab"),
    "a whole request behind bare CRs": "GET /x HTTP/1.1\rHost: a\r\r\r\n\r\n",
})
taken("line ends", {
    "one empty line in front": ("\r\n" + GOOD + "ab", X),
    "two empty lines in front": ("\r\n\r\n" + GOOD + "ab", X),
})
add("line ends", "an empty line between two", GOOD + "ab\r\n" + GOOD + "ab", [X, X])

# ---- names and values, byte by byte
for c in CONTROLS:
    add("bytes of names", f"0x{c:02x}", post(f"X{chr(c)}A: b"))
    add("bytes of values", f"0x{c:02x}", post(f"X-A: b{chr(c)}c"))
for c in SEPARATORS:
    add("bytes of names", ascii(c), post(f"X{c}A: b"))
for c in (0x80, 0xa0, 0xc3, 0xff):
    add("bytes of names", f"0x{c:02x}", post(f"X{chr(c)}A: b"))
    add("bytes of values", f"0x{c:02x}", post(f"X-A: b{chr(c)}c"), [EMPTY])
refused("bytes of names", {
    "no colon": post("X-A"),
    "no name": post(": b"),
    "white space alone": post(" "),
    "a tab before the colon": post("X-A\t: b"),
    "white space before the first": text("POST /x HTTP/1.1", " X-A: b", HOST),
    "a tab before the first": text("POST /x HTTP/1.1", "\tX-A: b", HOST),
    "folded": post("X-A: b", " c"),
    "folded with nothing": post("X-A: b", " "),
    "folded twice": post("X-A: b", "\t", "\tc"),
})
taken("bytes of names", {
    "every byte of a token": (post("!#$%&'*+-.^_`|~09azAZ: b"), EMPTY),
    "an empty value": (post("X-A:"), EMPTY),
    "colons in a value": (post("X-A: b:c: d"), EMPTY),
})

# ---- the request line
for line in ("POST  /x HTTP/1.1", "POST /x  HTTP/1.1", "POST /x HTTP/1.1 ", " POST /x HTTP/1.1", "POST\t/x HTTP/1.1", "POST /x\tHTTP/1.1", "POST /x HTTP/1.1\t",
             "POST /x", "POST /x ", "POST /x HTTP/", "POST /x HTTP/1", "POST /x HTTP/1.", "POST /x HTTP/.1", "POST /x HTTP/0.9", "POST /x HTTP/1.2",
             "POST /x HTTP/1.10", "POST /x HTTP/01.1", "POST /x HTTP/1.01", "POST /x HTTP/2.0", "POST /x HTTP/2", "POST /x HTTP/3.0", "POST /x HTTP/9.9",
             "POST /x http/1.1", "POST /x HtTP/1.1", "POST /x HTTP/1,1", "POST /x HTTP/1.1x", "POST /x HTTPS/1.1", "POST /x ICY/1.0", "POST /x HTTP /1.1",
             "POST /x HTTP/1 .1", "POST /x HTTP/-1.1", "POST /x HTTP/+1.1", "POST /x HTTP/1.1\0", "POST /x /y HTTP/1.1", "POST HTTP/1.1", "/x HTTP/1.1",
             "POST\x0b/x HTTP/1.1", "POST\xa0/x HTTP/1.1", "POST /x\xa0HTTP/1.1", "PO ST /x HTTP/1.1", "P(ST /x HTTP/1.1", "POST: /x HTTP/1.1",
             "\"POST\" /x HTTP/1.1", "POST /x\0 HTTP/1.1", "POST /\x7f HTTP/1.1", "POST /\x01 HTTP/1.1", "POST /x#y HTTP/1.1", "POST x HTTP/1.1",
             "POST * HTTP/1.1", "GET * HTTP/1.1", "POST ?x HTTP/1.1", "POST http:///x HTTP/1.1", "POST http://?x HTTP/1.1", "POST http://u@a/x HTTP/1.1",
             "POST http://u:p@a/x HTTP/1.1", "POST http://a b/x HTTP/1.1", "POST http://a:b/x HTTP/1.1", "POST ftp://a/x HTTP/1.1", "POST a:80 HTTP/1.1",
             "POST //a/x\\y HTTP/1.2", "CONNECT /x HTTP/1.1", "CONNECT http://a/ HTTP/1.1", "POST http:/x HTTP/1.1", "POST mailto:a HTTP/1.1"):
    add("request lines", ascii(line), text(line, HOST))
taken("request lines", {
    "a query": (text("POST /x?a=b&c HTTP/1.1", HOST), ("POST", "/x?a=b&c", "")),
    "escapes stay": (text("POST /%2e%2E/%00%0d%0a HTTP/1.1", HOST), ("POST", "/%2e%2E/%00%0d%0a", "")),
    "two slashes": (text("POST //x HTTP/1.1", HOST), ("POST", "//x", "")),
    "dots stay": (text("POST /a/../x HTTP/1.1", HOST), ("POST", "/a/../x", "")),
    "an absolute target": (text("POST http://a/x HTTP/1.1", HOST), EMPTY),
    "an absolute target of https": (text("POST HTTPS://a:443/x HTTP/1.1", HOST), EMPTY),
    "an absolute target and another host": (text("POST http://b/x HTTP/1.1", HOST), EMPTY),
    "an absolute target without a path": (text("POST http://a HTTP/1.1", HOST), ("POST", "/", "")),
    "an absolute target with a query alone": (text("POST http://a?b=/x HTTP/1.1", HOST), ("POST", "/?b=/x", "")),
    "a method nobody knows": (text("M-SEARCH /x HTTP/1.1", HOST), ("M-SEARCH", "/x", "")),
    "a method in lower case is another": (text("get /x HTTP/1.1", HOST), ("get", "/x", "")),
})

# ---- hosts
for host in ("a b", "a/b", "a?b", "a#b", "u@a", "u:p@a", "http://a", ":80", "a:b", "a:80:80", "a:-80", "a:+80", "a:8 0", "::1", "[::1", "::1]", "[::1]b", "[::1]:b",
             "a\\b", "a\"b", "<a>", "a^b", "a`b", "{a}", "a|b", "\xc3\xa9", "a\xa0", "a\x0b", "a\0", "[a b]", "a, b", "[]"):
    add("hosts", ascii(host), text("POST /x HTTP/1.1", "Host: " + host))
refused("hosts", {
    "none": text("POST /x HTTP/1.1", "X-A: b"),
    "none at all": text("POST /x HTTP/1.1"),
    "two": text("POST /x HTTP/1.1", HOST, "Host: b"),
    "two the same": text("POST /x HTTP/1.1", HOST, HOST),
    "two in other cases": text("POST /x HTTP/1.1", HOST, "HOST: a"),
    "one and an empty one": text("POST /x HTTP/1.1", HOST, "Host:"),
    "two in HTTP/1.0": text("POST /x HTTP/1.0", HOST, "Host: b"),
    "none, with an absolute target": text("POST http://a/x HTTP/1.1"),
    "two, with an absolute target": text("POST http://a/x HTTP/1.1", HOST, "Host: b"),
    "a space before the colon": text("POST /x HTTP/1.1", "Host : a"),
    "folded": text("POST /x HTTP/1.1", "Host:", " a"),
})
for host in ("a", "A.b-c_d~e", "127.0.0.1", "127.0.0.1:8088", "[::1]", "[::1]:80", "a:", "a:80", "a%41", "xn--e1afmkfd.example", "a,b", ""):
    add("hosts", ascii(host) + " is one", text("POST /x HTTP/1.1", "Host: " + host), [EMPTY])

# ---- one behind the other
add("one behind the other", "a length, then a request", GOOD + "ab" + SMUGGLED, [X, ("GET", "/smuggled", "")])
add("one behind the other", "chunks, then a request", post(CHUNKED, body=BODY) + SMUGGLED, [X, ("GET", "/smuggled", "")])
add("one behind the other", "trailers, then a request", post(CHUNKED, body="0\r\nX-T: 1\r\n\r\n") + SMUGGLED, [EMPTY, ("GET", "/smuggled", "")])
add("one behind the other", "a HEAD, then a request", text("HEAD /x HTTP/1.1", HOST) + SMUGGLED, [("HEAD", "/x", ""), ("GET", "/smuggled", "")])
add("one behind the other", "an Expect that is not waited for", post("Expect: 100-continue", "Content-Length: 2", body="ab") + SMUGGLED,
    [X, ("GET", "/smuggled", "")])
add("one behind the other", "nothing behind close", post("Connection: close", "Content-Length: 2", body="ab") + SMUGGLED, [X], closes=True)
add("one behind the other", "nothing behind close among others", post("Connection: x, Close", "Content-Length: 2", body="ab") + SMUGGLED, [X], closes=True)
add("one behind the other", "nothing behind HTTP/1.0", text("POST /x HTTP/1.0", HOST, "Content-Length: 2", body="ab") + SMUGGLED, [X], closes=True)
add("one behind the other", "HTTP/1.0 that stays", text("POST /x HTTP/1.0", HOST, "Connection: keep-alive", "Content-Length: 2", body="ab") + SMUGGLED,
    [X, ("GET", "/smuggled", "")])
add("one behind the other", "an upgrade that is not taken", post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    + SMUGGLED, [EMPTY, ("GET", "/smuggled", "")])
add("one behind the other", "a web socket that is not opened", text("GET /x HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: websocket",
    "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==") + SMUGGLED, [("GET", "/x", ""), ("GET", "/smuggled", "")])
add("one behind the other", "a good one, then a bad one", GOOD + "ab" + post("Content-Length: 2", CHUNKED, body=BODY) + SMUGGLED, before=[X])
add("one behind the other", "more than its length says", GOOD + "abX-B: c\r\n\r\n" + SMUGGLED, before=[X])
add("one behind the other", "HTTP/2's preface behind a request", GOOD + "abPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", before=[X])


def as_path(request):
    """The same with its target as a path, where it is a proxy's."""
    method, target, body = request
    path = re.sub("(?i)^https?://[^/?]*", "", target)
    return method, path if path == target or path.startswith("/") else "/" + path, body

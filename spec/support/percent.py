"""Percent-encoding: the bytes of each character that may not stay."""


def encoded(text, stays, byte="%{:02X}"):
    return "".join(c if stays(c) else "".join(map(byte.format, c.encode())) for c in text)


def header(text, byte="%{:02X}"):
    """The value of a `ce-` header: CloudEvents' HTTP binding, 3.1.3.2."""
    return encoded(text, lambda c: "!" <= c <= "~" and c not in '"%', byte)

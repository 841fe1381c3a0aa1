"""URI-references and what is none, made at random of what they are made of; rfc3986-validator is the judge."""
from rfc3986_validator import validate_rfc3986

PARTS = ["a", "B", "1", "http:", "//", "/", "?", "#", "[", "]", ":", "@", "%41", "%", "%zz", " ", "\\", "^", "::1", "v1.x", "80", ".", "-", "~", "<", '"', "{", "|",
         "`", "!$&'()*+,;=", "urn:", "[::1]", "[v1.x]", "[1:2::3.4.5.6]", "host", "x+y-z.:"]


def made(r):
    return "".join(r.choices(PARTS, k=r.randint(1, 6)))


def is_one(text):
    return bool(validate_rfc3986(text, rule="URI_reference"))

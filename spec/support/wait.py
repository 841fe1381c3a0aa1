"""Waiting for a condition. Nothing in the tests sleeps for a fixed time or passes by the clock; the limit below only ends
a test that would never end."""
import time

LIMIT_S = 60


def gone(pid):
    """It has ended, whether somebody has asked how or not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition, what="", limit_s=LIMIT_S):
    """Returns condition()'s first true value; what may be a function, called for the failure's text."""
    end = time.monotonic() + limit_s
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"never became true within {limit_s} s: {what() if callable(what) else what or condition}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)

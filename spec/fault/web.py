"""A web service that takes batches of events: what it has taken is in a file, one body a line, before it answers. Now
and then it refuses (503, nothing is taken), or takes a batch and goes away without an answer: that is told in the line.
Lines "open" and "closed" are connections: when as many are closed, everything that was sent is there.

    web.py FILE SEED

Its port is printed."""
import asyncio
import random
import sys


def tell(out, line):
    out.write(line + b"\n")
    out.flush()


async def serve(reader, writer, out, chance):
    tell(out, b"open")
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            at = head.index(b"content-length:") + 15
            body = await reader.readexactly(int(head[at:head.index(b"\r", at)]))
            luck = chance.random()
            if luck < 0.005:
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
                continue
            answers = luck >= 0.0075
            tell(out, (b"" if answers else b"no answer ") + body.replace(b"\n", b" "))
            if not answers:
                break
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        tell(out, b"closed")
        writer.close()


async def main(path, seed):
    chance = random.Random(int(seed))
    with open(path, "ab") as out:
        server = await asyncio.start_server(lambda r, w: serve(r, w, out, chance), "127.0.0.1", 0, limit=1 << 24)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

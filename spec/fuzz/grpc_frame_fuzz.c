/* A client's stream of gRPC frames, in pieces of a size that the first byte chooses: whatever
 * comes, the reader asks for more, gives a message that lies inside, or says why not; and it says
 * the same for the whole as for the pieces. */
#include "base/err.h"
#include "ingest/grpc_frame.h"

#include <stdlib.h>
#include <string.h>

enum { MAX = 1000 };

/* Bytes of whole frames at the start of `in`; *rc gets what ended it. */
static size_t read_all(struct gw_str in, int *rc)
{
    struct gw_grpc_frame frame;
    struct gw_err err;
    size_t at = 0;

    for (;;) {
        struct gw_str rest = {in.p + at, in.len - at};

        *rc = gw_grpc_frame_read(rest, MAX, &frame, &err);
        if (*rc < 0 && !err.msg[0])
            abort();
        if (*rc != 1)
            return at;
        if (frame.size > rest.len || frame.message.len > MAX ||
            frame.message.p + frame.message.len != rest.p + frame.size)
            abort();
        at += frame.size;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct gw_str in = {(const char *)data + 1, size ? size - 1 : 0};
    size_t step = size ? data[0] % 16 + 1u : 1, whole, at = 0;
    int rc, rc_pieces = 0;

    if (!size)
        return 0;
    whole = read_all(in, &rc);
    for (size_t have = 0; have < in.len && rc_pieces >= 0;) {
        have = have + step < in.len ? have + step : in.len;
        at += read_all((struct gw_str){in.p + at, have - at}, &rc_pieces);
    }
    if (in.len > 0 && (at != whole || rc_pieces != rc))
        abort();
    return 0;
}

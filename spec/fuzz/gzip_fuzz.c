/* A body that says it is gzip: never more than the limit comes out, and the memory is bounded. */
#include "base/arena.h"
#include "base/err.h"
#include "base/gzip.h"

#include <stdlib.h>

enum { MAX = 100000 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str out;
    struct gw_err err;

    if (gw_gunzip(mem, (struct gw_str){(const char *)data, size}, MAX, &out, &err) == 0 &&
        out.len > MAX)
        abort();
    if (gw_arena_size(mem) > 1000000)
        abort();
    gw_arena_free(mem);
    return 0;
}

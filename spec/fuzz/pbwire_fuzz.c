/* Fields of gRPC's own messages: each lies inside its message. */
#include "base/pbwire.h"

#include <stddef.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *start = (const char *)data;
    struct gw_pbwire w = {start, start + size};
    struct gw_pbwire_field f;

    while (gw_pbwire_next(&w, &f) == 1)
        if (f.number == 0 || w.at > w.end ||
            (f.bytes.p && (f.bytes.p < start || f.bytes.p + f.bytes.len > w.at)))
            abort();
    return 0;
}

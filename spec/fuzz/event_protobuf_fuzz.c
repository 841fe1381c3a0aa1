#include "event_forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev;
    struct gw_err err;

    gw_event_init(&ev, mem);
    if (!gw_event_protobuf_read(&ev, (struct gw_str){(const char *)data, size}, &err))
        forms_check(mem, &ev);
    gw_arena_free(mem);
    return 0;
}

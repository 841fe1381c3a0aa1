#include "event_forms.h"

static int each(void *ctx, struct gw_event *ev, struct gw_err *err)
{
    (void)err;
    forms_check(ctx, ev);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str text = {(const char *)data, size};
    struct gw_event ev;
    struct gw_err err;

    gw_event_init(&ev, mem);
    if (!gw_event_json_read(&ev, text, &err))
        forms_check(mem, &ev);
    gw_event_batch_read(mem, text, each, mem, &err);
    gw_arena_free(mem);
    return 0;
}

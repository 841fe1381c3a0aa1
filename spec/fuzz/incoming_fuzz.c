/* A digit for `as`, lines "name:value" (the name `subject` is the subject), an empty line, the
 * body. What is read can be read again from the log. */
#include "event_forms.h"
#include "flyte/incoming.h"

#include <string.h>

enum { HEADERS = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct gw_arena *mem, const struct gw_incoming_record *rec)
{
    struct gw_flyte_request request;
    struct gw_event ev;
    struct gw_err err;
    int failed;

    assert(rec->key.p && rec->payload.p);
    if (rec->kind != GW_OTHER) {
        failed = gw_flyte_decode(mem, rec->kind, rec->payload, &request, &err);
        assert(!failed && !rec->event_id.p);
        assert(gw_str_eq(gw_flyte_key(mem, &request), rec->key));
        return;
    }
    gw_event_init(&ev, mem);
    failed = gw_event_protobuf_read(&ev, rec->payload, &err);
    assert(!failed && gw_str_eq(gw_event_text(&ev, "id"), rec->event_id));
    assert(gw_flyte_carried_in(rec->payload) == gw_flyte_carried(gw_event_text(&ev, "type")));
    forms_check(mem, &ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *end = p + size;
    struct gw_header headers[HEADERS];
    struct gw_incoming in = {.headers = headers};
    struct gw_incoming_record rec;
    struct gw_arena *mem;
    struct gw_err err = {0};
    enum gw_as as;

    if (!size)
        return 0;
    as = (enum gw_as)(data[0] % (GW_AS_TASK + 1));
    p++;
    for (const char *line_end; in.n_headers < HEADERS && p < end; p = line_end + 1) {
        const char *colon;
        struct gw_header h;

        line_end = memchr(p, '\n', (size_t)(end - p));
        colon = line_end ? memchr(p, ':', (size_t)(line_end - p)) : NULL;
        if (!colon) {
            p = line_end ? line_end + 1 : p;
            break;
        }
        h.name = (struct gw_str){p, (size_t)(colon - p)};
        h.value = (struct gw_str){colon + 1, (size_t)(line_end - colon - 1)};
        if (gw_str_is(h.name, "subject"))
            in.subject = h.value;
        else
            headers[in.n_headers++] = h;
    }
    in.body = (struct gw_str){p < end ? p : NULL, (size_t)(end - p)};
    mem = gw_arena_new();
    if (!gw_incoming_read(mem, as, &in, &rec, &err))
        check(mem, &rec);
    else
        assert(err.kind && err.msg[0]);
    gw_arena_free(mem);
    return 0;
}

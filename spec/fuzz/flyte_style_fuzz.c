/* A request's bytes, the first byte says of which kind and which style. What decodes becomes an
 * event or is refused with a reason; the event is legal and no longer than the schema's names
 * allow, its data is JSON where it says so, and what reads back is told in the same words. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "flyte/go_text.h"
#include "flyte/reflect.h"

#include <assert.h>
#include <stdint.h>

/* Two bytes may be an empty message, or the value of an enum, with a long name. */
static void check_length(size_t len, size_t size)
{
    assert(len <= 64 * size + 256);
}

/* Go's text of the whole request, with one space and with two. */
static void check_text(struct gw_arena *mem, const ProtobufCMessage *m, size_t size)
{
    struct gw_buf one, two;

    gw_buf_init(&one, SIZE_MAX / 2, mem);
    gw_buf_init(&two, SIZE_MAX / 2, mem);
    gw_go_text_put(&one, m, 1);
    gw_go_text_put(&two, m, 2);
    check_length(one.len, size);
    for (size_t i = 0, k = 0; i < one.len; i++) {
        assert(two.p[k++] == one.p[i]);
        /* between fields there is one more */
        if (one.p[i] == ' ' && k < two.len && two.p[k] == ' ' && one.p[i + 1] != ' ')
            k++;
    }
}

static void check_event(const struct gw_event *ev, const struct gw_style_conf *conf,
                        const struct gw_flyte_request *r)
{
    struct gw_flyte_request back;
    struct gw_event again;
    struct gw_err err;
    int failed = gw_event_check(ev, &err);

    assert(!failed);
    check_length(gw_event_text(ev, "id").len, r->bytes.len);
    check_length(ev->data.len, r->bytes.len);
    if (conf->style != GW_STYLE_FLYTEADMIN)
        return;
    assert(ev->data_kind == GW_DATA_BYTES && gw_event_data_is_json(ev));
    if (!gw_flyte_from_event(ev, &back))
        return; /* a year of five digits */
    back.form = GW_CARRY_STYLE;
    gw_event_init(&again, ev->mem);
    failed = gw_style_make(conf, &back, &again, &err);
    assert(!failed && gw_str_eq(again.data, ev->data));
}

static void check(struct gw_arena *mem, const struct gw_style_conf *conf,
                  const struct gw_flyte_request *r)
{
    struct gw_err err = {.msg = ""};
    struct gw_event ev;

    gw_event_init(&ev, mem);
    if (gw_style_make(conf, r, &ev, &err))
        assert(err.kind == GW_ERR_REJECT && *err.msg);
    else if (conf->style != GW_STYLE_FLYTEADMIN_V2) /* which is not whole */
        check_event(&ev, conf, r);
    check_text(mem, r->msg, r->bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_style_conf conf = {.source = GW_STR("/fuzz"), .id_spacing = 2};
    struct gw_flyte_request r;
    struct gw_err err;

    if (size) {
        conf.style = (enum gw_style)(data[0] / 4 % GW_STYLES);
        conf.json = data[0] / 16 % 2;
        if (!gw_flyte_decode(mem, (enum gw_kind)(data[0] % 4),
                             (struct gw_str){(const char *)data + 1, size - 1}, &r, &err))
            check(mem, &conf, &r);
    }
    gw_arena_free(mem);
    return 0;
}

/* Any text: the reader ends, errors have a place, and what is read can be written and read again.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_walk.h"

#include <assert.h>

static void check_string(const struct gw_json *j, struct gw_arena *mem)
{
    struct gw_str text = gw_json_string(j, mem);
    struct gw_json again;
    struct gw_buf b;

    gw_buf_init(&b, text.len * 6 + 2, mem);
    gw_json_put_string(&b, text);
    assert(!b.failed);
    gw_json_init(&again, gw_buf_str(&b), 1);
    assert(gw_json_next(&again) == GW_JSON_STRING);
    assert(gw_str_eq(gw_json_string(&again, mem), text));
    assert(gw_json_next(&again) == GW_JSON_END);
}

/* The walker stays inside of any text, and says of a value what the reader says. */
static void check_walk(struct gw_str text)
{
    const char *p = text.p, *end = text.p + text.len;
    struct gw_json_part part;
    struct gw_json j;
    struct gw_str raw;

    assert(gw_json_past(p, end) <= end && gw_json_depth(text) <= text.len);
    for (int object = 0; object < 2; object++)
        for (p = text.p; gw_json_part(&p, end, object, &part);)
            assert(part.value <= part.end && part.end == p && p <= end);
    gw_json_init(&j, text, 100);
    if (gw_json_next(&j) > GW_JSON_END && !gw_json_value(&j, &raw) &&
        gw_json_next(&j) == GW_JSON_END)
        assert(gw_json_past(raw.p, end) == raw.p + raw.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str text = {(const char *)data, size}, raw;
    enum gw_json_token token;
    struct gw_json j;
    struct gw_err err;

    gw_json_init(&j, text, 100);
    while ((token = gw_json_next(&j)) > GW_JSON_END)
        if (token == GW_JSON_STRING || token == GW_JSON_KEY)
            check_string(&j, mem);
    assert(token == GW_JSON_END || gw_json_error(&j, &err) == -1);
    gw_json_init(&j, text, 100);
    if (gw_json_next(&j) > GW_JSON_END)
        assert((gw_json_value(&j, &raw) == 0 && gw_json_next(&j) == GW_JSON_END) ==
               (token == GW_JSON_END));
    check_walk(text);
    gw_arena_free(mem);
    return 0;
}

/* A broker's message that became no record, as JSON. */
#include "admin/lines_record.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "event/format.h"
#include "log/message.h"

#include <stdio.h>

/* Text as it is, other bytes in base64 under NAME_base64. */
static void put_bytes(struct gw_buf *out, int first, const char *name, struct gw_str value)
{
    char base64[40];

    if (!value.p || gw_utf8_valid(value) == value.len) {
        gw_json_put_key(out, first, gw_str_of(name));
        if (value.p)
            gw_json_put_string(out, value);
        else
            gw_buf_puts(out, "null");
        return;
    }
    (void)snprintf(base64, sizeof(base64), "%s_base64", name);
    gw_json_put_key(out, first, gw_str_of(base64));
    gw_buf_putc(out, '"');
    gw_base64_put(out, value);
    gw_buf_putc(out, '"');
}

static void put_headers(struct gw_buf *out, const struct gw_unread *u)
{
    gw_buf_puts(out, ",\"headers\":[");
    for (size_t i = 0; i < u->n_headers; i++) {
        gw_buf_puts(out, i ? ",{" : "{");
        put_bytes(out, 1, "name", u->headers[i].name);
        put_bytes(out, 0, "value", u->headers[i].value);
        gw_buf_putc(out, '}');
    }
    gw_buf_putc(out, ']');
}

void gw_put_json_message(struct gw_buf *out, struct gw_arena *mem, struct gw_str bytes)
{
    struct gw_unread u;
    struct gw_err err;

    if (gw_unread_read(mem, bytes, &u, &err)) {
        gw_buf_puts(out, "{\"payload\":\"");
        gw_base64_put(out, bytes);
        gw_buf_putc(out, '"');
        gw_put_json_member(out, "error", gw_str_of(err.msg));
        gw_buf_putc(out, '}');
        return;
    }
    gw_buf_puts(out, "{\"received_at\":");
    gw_put_json_time(out, u.received_at_ns);
    gw_put_json_member(out, "ingest", u.ingest);
    gw_put_json_member(out, "source", u.source);
    gw_buf_printf(out, ",\"partition\":%u,\"offset\":%lld,\"timestamp\":", u.partition,
                  (long long)u.offset);
    gw_put_json_time(out, u.timestamp_ms * 1000000);
    put_bytes(out, 0, "key", u.key);
    if (u.subject.p)
        put_bytes(out, 0, "subject", u.subject);
    put_headers(out, &u);
    put_bytes(out, 0, "body", u.body);
    gw_buf_putc(out, '}');
}

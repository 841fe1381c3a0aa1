#include "ingest/grpc.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/pbwire.h"
#include "flyte/reflect.h"

/* Server reflection. ServerReflectionRequest: 1 host, and one of 3 file_by_filename,
 * 4 file_containing_symbol, 5 file_containing_extension, 6 all_extension_numbers_of_type,
 * 7 list_services. The response repeats host and request (1, 2) and holds one of
 * 4 file_descriptor_response, 6 list_services_response, 7 error_response. A file is sent with all
 * it imports, itself first: clients that build the schema from one answer need them. */

enum { MAX_FILES = 256, MAX_ANSWER = 4 * 1024 * 1024, MAX_UNSENT = MAX_ANSWER, DEPENDENCY = 3 };

static void put_error(struct gw_buf *out, struct gw_arena *mem, enum gw_rpc_code code,
                      const char *what)
{
    struct gw_buf b;

    gw_buf_init(&b, 256, mem);
    gw_pbwire_put_varint(&b, 1, (uint64_t)code);
    gw_pbwire_put_bytes(&b, 2, gw_str_of(what));
    gw_pbwire_put_bytes(out, 7, gw_buf_str(&b));
}

/* The files to send, each once, those a file imports behind it. */
struct files {
    struct gw_str items[MAX_FILES];
    size_t n;
};

static void add_file(struct files *f, struct gw_str file)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].p == file.p)
            return;
    if (file.p && f->n < MAX_FILES)
        f->items[f->n++] = file;
}

static void add_imports(struct files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        struct gw_pbwire w = {f->items[i].p, f->items[i].p + f->items[i].len};
        struct gw_pbwire_field field;

        while (gw_pbwire_next(&w, &field) == 1)
            if (field.number == DEPENDENCY && field.type == GW_PBWIRE_BYTES)
                add_file(f, gw_schema_file(field.bytes));
    }
}

static void put_files(struct gw_buf *out, struct gw_arena *mem, struct gw_str file)
{
    struct files *f;
    struct gw_buf b;

    if (!file.p) {
        put_error(out, mem, GW_RPC_NOT_FOUND, "not found");
        return;
    }
    f = gw_arena_zalloc(mem, sizeof(*f));
    add_file(f, file);
    add_imports(f);
    gw_buf_init(&b, MAX_ANSWER, mem);
    for (size_t i = 0; i < f->n; i++)
        gw_pbwire_put_bytes(&b, 1, f->items[i]);
    gw_pbwire_put_bytes(out, 4, gw_buf_str(&b));
}

static void put_services(struct gw_buf *out, struct gw_arena *mem)
{
    struct gw_buf list, one;

    gw_buf_init(&list, MAX_ANSWER, mem);
    for (size_t i = 0; gw_grpc_services[i]; i++) {
        gw_buf_init(&one, 256, mem);
        gw_pbwire_put_bytes(&one, 1, gw_str_of(gw_grpc_services[i]));
        gw_pbwire_put_bytes(&list, 1, gw_buf_str(&one));
    }
    gw_pbwire_put_bytes(out, 6, gw_buf_str(&list));
}

static void put_answer(struct gw_buf *out, struct gw_arena *mem,
                       const struct gw_pbwire_field *asked)
{
    switch (asked->number) {
    case 3:
        put_files(out, mem, gw_schema_file(asked->bytes));
        return;
    case 4:
        put_files(out, mem, gw_schema_symbol(asked->bytes));
        return;
    case 7:
        put_services(out, mem);
        return;
    case 5:
    case 6:
        put_error(out, mem, GW_RPC_NOT_FOUND, "there are no extensions");
        return;
    default:
        put_error(out, mem, GW_RPC_INVALID_ARGUMENT, "the request asks for nothing");
    }
}

void gw_reflection_message(struct gw_grpc_call *c, struct gw_str message)
{
    struct gw_pbwire w = {message.p, message.p + message.len};
    struct gw_pbwire_field field, asked = {0};
    struct gw_str host = {0};
    struct gw_buf out;
    struct gw_err err;
    int rc;

    while ((rc = gw_pbwire_next(&w, &field)) == 1) {
        if (field.type != GW_PBWIRE_BYTES)
            continue;
        if (field.number == 1)
            host = field.bytes;
        else if (field.number >= 3 && field.number <= 7)
            asked = field;
    }
    if (rc < 0) {
        gw_err_set(&err, GW_ERR_REJECT, "not a ServerReflectionRequest");
        gw_grpc_fail(c, &err);
        return;
    }
    if (gw_http_unsent(c->stream) > MAX_UNSENT) {
        gw_grpc_finish(c, GW_RPC_RESOURCE_EXHAUSTED, "the answers are not read");
        return;
    }
    gw_grpc_keep_open(c);
    gw_buf_init(&out, (size_t)2 * MAX_ANSWER, c->front->scratch);
    if (host.len > 0)
        gw_pbwire_put_bytes(&out, 1, host);
    gw_pbwire_put_bytes(&out, 2, message);
    put_answer(&out, c->front->scratch, &asked);
    gw_grpc_reply(c, gw_buf_str(&out));
}

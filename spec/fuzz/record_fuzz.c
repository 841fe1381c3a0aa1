/* A record of the log: what is read and put again reads the same. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "log/record.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_record r, again;
    struct gw_buf out;
    struct gw_err err;
    int failed;

    if (gw_record_read((struct gw_str){(const char *)data, size}, &r, &err))
        return 0;
    gw_buf_init(&out, 1 << 26, NULL);
    gw_record_put(&out, &r);
    assert(out.len <= gw_record_size(&r));
    failed = gw_record_read(gw_buf_str(&out), &again, &err);
    assert(!failed && again.kind == r.kind && again.key_hash == r.key_hash);
    assert(gw_str_eq(again.payload, r.payload) && gw_str_eq(again.key, r.key));
    gw_buf_free(&out);
    return 0;
}

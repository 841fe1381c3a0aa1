/* Whatever a dead letter holds, its line is one JSON object that the commands can read. */
#include "admin/lines_record.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "cmd/fields.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_buf out, pretty;
    struct gw_json j;

    gw_buf_init(&out, 1 << 26, NULL);
    gw_buf_init(&pretty, 1 << 28, NULL);
    gw_put_json_record(&out, mem, (struct gw_str){(const char *)data, size});
    if (!out.failed) {
        assert(!memchr(out.p, '\n', out.len));
        gw_json_init(&j, gw_buf_str(&out), GW_JSON_MAX_DEPTH);
        while (gw_json_next(&j) > GW_JSON_END)
            ;
        assert(j.token == GW_JSON_END);
        gw_json_put_pretty(&pretty, gw_buf_str(&out), 0);
    }
    gw_buf_free(&pretty);
    gw_buf_free(&out);
    gw_arena_free(mem);
    return 0;
}

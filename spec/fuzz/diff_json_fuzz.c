/* Two texts behind each other, a NUL between them: both ways there are as many differences, and
 * none of a text to itself. */
#include "base/arena.h"
#include "pipeline/diff_inside.h"

#include <assert.h>
#include <string.h>

static int differences(struct gw_str a, struct gw_str b, uint64_t *n)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_buf out;
    struct gw_diff_ops ops = {.out = &out};
    int rc;

    gw_buf_init(&out, SIZE_MAX / 2, NULL);
    rc = gw_diff_json(mem, a, b, &ops);
    assert(ops.n <= GW_DIFF_OPS && !out.failed);
    *n = ops.n + ops.more;
    gw_buf_free(&out);
    gw_arena_free(mem);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *nul = size ? memchr(text, '\0', size) : NULL;
    struct gw_str a, b;
    uint64_t there, back, self;

    if (!nul)
        return 0;
    a = (struct gw_str){text, (size_t)(nul - text)};
    b = (struct gw_str){nul + 1, size - a.len - 1};
    assert(differences(a, b, &there) == differences(b, a, &back) && there == back);
    if (!differences(a, a, &self))
        assert(self == 0);
    return 0;
}

/* What a pipeline does, as lines. */
#include "admin/lines.h"

#include "admin/lines_busy.h"
#include "base/buf.h"
#include "base/err.h"
#include "pipeline/tap.h"

#include <stdlib.h>

struct tap {
    struct gw_lines pub;
    struct gw_tap *tap;
};

static int next_tap(struct gw_lines *pub, struct gw_buf *out, struct gw_err *err)
{
    const int rc = gw_tap_next(((struct tap *)pub)->tap, out);

    if (rc == 1 && out->failed)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "the line is too large");
    return rc == 1 ? 1 : rc == 0 ? 2 : 0;
}

static void close_tap(struct gw_lines *pub)
{
    gw_tap_close(((struct tap *)pub)->tap);
    gw_lines_free(pub);
}

struct gw_lines *gw_lines_tap(struct gw_pipeline *p, struct gw_loop *loop, struct gw_mail *wake)
{
    struct tap *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->pub = (struct gw_lines){.next = next_tap, .close = close_tap, .endless = 1};
    t->tap = gw_tap_open(p, loop, wake);
    return &t->pub;
}

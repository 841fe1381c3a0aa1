/* What a NATS server may say: any bytes as JetStream's answer to a message, and as a text in an
 * error. */
#include "base/arena.h"
#include "base/text.h"
#include "publish/publish_nats.h"

#include <stdlib.h>
#include <string.h>

static void check_text(const char *text)
{
    if (gw_utf8_valid(gw_str_of(text)) != strlen(text))
        abort();
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
    struct gw_arena *mem = gw_arena_new();
    char *text = gw_arena_strndup(mem, (const char *)p, n);
    struct gw_nats_kept kept;
    struct gw_str subject;
    const char *why = NULL;

    switch (gw_nats_ack((struct gw_str){(const char *)p, n}, mem, &kept, &why)) {
    case GW_DELIVERED:
        if (why)
            abort();
        break;
    case GW_TRY_AGAIN:
    case GW_TOO_LARGE:
        check_text(why);
        break;
    case GW_IMPOSSIBLE:
        abort();
    }
    if (gw_nats_found((struct gw_str){(const char *)p, n}, mem, &subject, &why))
        check_text(why);
    check_text(gw_nats_clean(text));
    gw_arena_free(mem);
    return 0;
}

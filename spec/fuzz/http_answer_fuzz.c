/* What a destination or a token endpoint may say: any bytes as a token's JSON, as Retry-After, as
 * consent, as the reason shown to people. */
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "net/oauth.h"
#include "publish/publish_http.h"

#include <stdlib.h>
#include <string.h>

static void show(const char *data, size_t size)
{
    struct gw_fetch f = {.status = 500};
    char why[GW_HTTP_WHY];

    f.answer = (struct gw_buf){.p = (char *)data, .len = size};
    gw_http_why(NULL, &f, "", why);
    if (strlen(why) >= GW_HTTP_WHY || gw_utf8_valid(gw_str_of(why)) != strlen(why))
        abort();
    for (const char *p = why; *p; p++)
        if ((unsigned char)*p < ' ')
            abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct gw_str s = {(const char *)data, size};
    struct gw_arena *mem = gw_arena_new();
    struct gw_oauth_token t;
    struct gw_err err;
    int64_t every, ms = gw_http_retry_after_ms(s, 1000000000);

    if (ms < 0 || ms > 86400000)
        abort();
    if (!gw_http_allowed(GW_STR("us"), GW_STR("*"), s, &every) && (every < 0 || every > 60000000))
        abort();
    if (!gw_oauth_token_read(s, mem, &t, &err))
        for (size_t i = 0; i < t.access_token.len; i++)
            if (t.access_token.p[i] <= ' ' || t.access_token.p[i] > '~' || t.lives_s < 0)
                abort();
    show((const char *)data, size);
    gw_arena_free(mem);
    return 0;
}

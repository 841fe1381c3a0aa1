/* Files of Google's credentials, what a workload's command prints, what token endpoints answer: any
 * bytes. What is taken is text that ends, and no error quotes more than names of members. */
#include "base/arena.h"
#include "base/err.h"
#include "base/header.h"
#include "net/gcp_json.h"
#include "net/gcp_plan.h"
#include "net/oauth.h"

#include <stdlib.h>
#include <string.h>

static void read_plan(struct gw_arena *mem, struct gw_str s)
{
    struct gw_gcp_plan plan;
    struct gw_err err;

    if (gw_gcp_plan_read(mem, "key.json", s, &plan, &err)) {
        if (strncmp(err.msg, "key.json: ", 10) != 0)
            abort();
        return;
    }
    if (!plan.token_url || (plan.quota_project && !gw_gcp_plain(plan.quota_project)))
        abort();
    (void)gw_gcp_signs_itself(&plan);
    for (const struct gw_gcp_step *step = plan.steps; step; step = step->next)
        if (!step->url || !step->email)
            abort();
    for (size_t i = 0; i < plan.workload.n_headers; i++)
        if (!plan.workload.headers[i].name.len)
            abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct gw_str s = {(const char *)data, size};
    struct gw_arena *mem = gw_arena_new();
    struct gw_oauth_token token;
    struct gw_err err;

    read_plan(mem, s);
    if (!gw_oauth_token_read(s, mem, &token, &err) && !token.access_token.len)
        abort();
    gw_arena_free(mem);
    return 0;
}

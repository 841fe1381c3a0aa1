/* Any file: the tree is bounded, every problem has a place in it, and a field table copes with
 * whatever stands there. */
#include "base/arena.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "config/flyteadmin.h"

#include <assert.h>

static size_t walk(const struct gw_yaml *y)
{
    size_t n = 1;

    assert(y->line >= 1 && y->column >= 1 && y->file);
    if (y->type == GW_YAML_SCALAR) {
        assert(y->text.p[y->text.len] == '\0');
        return 1;
    }
    for (size_t i = 0; i < y->n; i++) {
        n += walk(&y->values[i]);
        if (y->type == GW_YAML_MAP)
            n += walk(&y->keys[i]);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_problems p = {.mem = gw_arena_new()};
    struct gw_yaml *y = gw_yaml_parse("f", (struct gw_str){(const char *)data, size}, 1, 1, &p);
    struct gw_flyteadmin_conf conf = {0};

    assert(y || p.errors > 0);
    if (y) {
        assert(walk(y) <= 200001);
        gw_fields_read(gw_cloud_events_fields, y, &conf, &p,
                       "cloudEvents"); /* config_fuzz: all of it */
    }
    for (size_t i = 0; i < p.n; i++)
        assert(p.items[i].line >= 1 && p.items[i].column >= 1 && p.items[i].text[0]);
    gw_arena_free(p.mem);
    return 0;
}

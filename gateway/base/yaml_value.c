#include "base/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a scalar says, by the core schema of YAML 1.2. */

const struct gw_yaml *gw_yaml_get(const struct gw_yaml *map, const char *key)
{
    if (!map || map->type != GW_YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (gw_str_is(map->keys[i].text, key))
            return &map->values[i];
    return NULL;
}

const struct gw_yaml *gw_yaml_place(const struct gw_yaml *map, const char *key)
{
    const struct gw_yaml *y = map && map->type == GW_YAML_MAP ? gw_yaml_get(map, key) : NULL;

    return y ? y : map;
}

int gw_yaml_is_null(const struct gw_yaml *y)
{
    if (y->type != GW_YAML_SCALAR || y->quoted)
        return 0;
    return y->text.len == 0 || gw_str_is(y->text, "~") || gw_str_is(y->text, "null") ||
           gw_str_is(y->text, "Null") || gw_str_is(y->text, "NULL");
}

int gw_yaml_bool(const struct gw_yaml *y, int *out)
{
    static const char *const names[] = {"false", "False", "FALSE", "true", "True", "TRUE"};

    if (y->type != GW_YAML_SCALAR || y->quoted)
        return -1;
    for (int i = 0; i < 6; i++)
        if (gw_str_is(y->text, names[i])) {
            *out = i >= 3;
            return 0;
        }
    return -1;
}

int gw_yaml_int(const struct gw_yaml *y, long long *out)
{
    const char *p = y->text.p;
    char *end;

    if (y->type != GW_YAML_SCALAR || y->quoted || y->text.len == 0)
        return -1;
    for (size_t i = p[0] == '-' || p[0] == '+'; i < y->text.len; i++)
        if (p[i] < '0' || p[i] > '9')
            return -1;
    errno = 0;
    *out = strtoll(p, &end, 10);
    return errno || end == p || *end ? -1 : 0;
}

/* Not what strtod alone would take: 0x10, 1e, " 1". */
int gw_yaml_double(const struct gw_yaml *y, double *out)
{
    const char *s = y->text.p;
    char *end;

    if (y->type != GW_YAML_SCALAR || y->quoted || !y->text.len || s[strspn(s, "0123456789+-.eE")])
        return -1;
    errno = 0;
    *out = strtod(s, &end);
    return *end || errno ? -1 : 0;
}

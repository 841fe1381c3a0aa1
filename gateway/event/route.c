#include "event/route.h"

#include "base/err.h"
#include "base/field.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { SHOWN = 80 };

static int shown(struct gw_str s)
{
    return s.len > SHOWN ? SHOWN : (int)s.len;
}

static int allows(const struct gw_routing *r, const char *pattern, struct gw_str topic)
{
    return r->allows ? r->allows(gw_str_of(pattern), topic) : gw_glob(gw_str_of(pattern), topic);
}

static int none_of(const struct gw_strs *routes, const struct gw_routing *r, struct gw_str topic,
                   struct gw_err *err)
{
    char list[200] = "";
    size_t len = 0;

    for (size_t i = 0; i < routes->n && len < sizeof(list); i++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.80s", i ? ", " : "",
                                routes->items[i]);
    return gw_err_set(err, GW_ERR_REJECT, "%s \"%.*s\" is none of what publisher.routes allows: %s",
                      r->topic_is, shown(topic), topic.p, list);
}

int gw_route_topic_check(const struct gw_routing *r, const struct gw_strs *routes,
                         struct gw_str topic, struct gw_err *err)
{
    if (!topic.len || topic.len > GW_ROUTE_TOPIC_MAX || memchr(topic.p, '\0', topic.len))
        return gw_err_set(err, GW_ERR_REJECT, "topic has 1 to %d bytes, none of them 0",
                          GW_ROUTE_TOPIC_MAX);
    if (!r)
        return 0;
    if (!r->topic_is)
        return gw_err_set(err, GW_ERR_REJECT,
                          "topic \"%.*s\": publisher %s has one destination, no hook chooses it",
                          shown(topic), topic.p, r->publisher);
    if (r->topic && r->topic(topic, err))
        return -1;
    if (!routes->n && r->takes_any)
        return 0;
    if (!routes->n)
        return gw_err_set(err, GW_ERR_REJECT,
                          "topic \"%.*s\": a hook chooses the %s only from those that "
                          "publisher.routes allows; there is no such key",
                          shown(topic), topic.p, r->topic_is);
    for (size_t i = 0; i < routes->n; i++)
        if (allows(r, routes->items[i], topic))
            return 0;
    return none_of(routes, r, topic, err);
}

static int is_reserved(struct gw_str name)
{
    static const char *const all[] = {"content-type", "authorization", "proxy-authorization"};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (name.len == strlen(all[i]) && !strncasecmp(name.p, all[i], name.len))
            return 1;
    return name.len >= 3 && !strncasecmp(name.p, "ce", 2) && (name.p[2] == '-' || name.p[2] == '_');
}

int gw_route_header_check(const struct gw_routing *r, struct gw_str name, struct gw_str value,
                          struct gw_err *err)
{
    if (!name.len || name.len > GW_ROUTE_NAME_MAX || gw_utf8_valid(name) < name.len ||
        memchr(name.p, '\0', name.len))
        return gw_err_set(err, GW_ERR_REJECT,
                          "headers: \"%.*s\" is no name: 1 to %d bytes of UTF-8", shown(name),
                          name.p, GW_ROUTE_NAME_MAX);
    if (is_reserved(name))
        return gw_err_set(
            err, GW_ERR_REJECT,
            "headers: %.*s is not a hook's to set (the event and the publisher say it)",
            shown(name), name.p);
    return r && r->header ? r->header(name, value, err) : 0;
}

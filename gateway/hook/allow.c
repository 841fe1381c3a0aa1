#include "hook/allow.h"

#include "base/field.h"
#include "net/address.h"

#include <stdlib.h>
#include <string.h>

/* Cuts ":port" off the end; NULL, or what is wrong with it. */
static const char *take_port(struct gw_str *s, int *port)
{
    const char *colon = memrchr(s->p, ':', s->len), *end = s->p + s->len;
    const char *bracket = memrchr(s->p, ']', s->len);

    *port = 0;
    if (!colon || (bracket && colon < bracket))
        return NULL;
    if (memchr(s->p, ':', (size_t)(colon - s->p)) && !bracket)
        return "an IPv6 address stands in brackets: [::1] or [::1]:8080";
    *port = gw_port_read((struct gw_str){colon + 1, (size_t)(end - colon) - 1});
    if (*port < 1)
        return "a port is a number from 1 to 65535";
    s->len = (size_t)(colon - s->p);
    return NULL;
}

static const char *take_address(struct gw_str s, struct gw_allow_entry *out)
{
    if (s.len < 2 || s.p[s.len - 1] != ']' ||
        gw_address_read((struct gw_str){s.p + 1, s.len - 2}, out->address))
        return "no address stands in the brackets";
    out->name = (struct gw_str){0};
    return NULL;
}

static int is_digits(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '.')
            return 0;
    return s.len > 0;
}

static const char *take_name(struct gw_str s, struct gw_allow_entry *out)
{
    size_t label = 0;

    if (s.len > 1 && s.p[s.len - 1] == '.')
        s.len--;
    if (!gw_address_read(s, out->address)) {
        out->name = (struct gw_str){0};
        return out->is_below ? "nothing is below an address" : NULL;
    }
    if (is_digits(s))
        return "no address (four numbers from 0 to 255)";
    for (size_t i = 0; i < s.len; i++, label++) {
        const char c = s.p[i];

        if (c == '.' && label == 0)
            return "no host: a part of the name is empty";
        if (c == '.')
            label = (size_t)-1;
        else if (c == '*')
            return "a * stands only for all in front, as in *.example.com";
        else if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
                 c != '-' && c != '_')
            return c == '/' ? "a host or an address, no URL and no network"
                            : "no host: letters, digits, - and . (others as xn--…)";
    }
    out->name = s;
    return s.len > 0 && s.len <= 253 && label ? NULL : "no host";
}

static const char *read_entry(const char *text, struct gw_allow_entry *out)
{
    struct gw_str s = gw_str_of(text);
    const char *why;

    *out = (struct gw_allow_entry){.port = 0};
    if (strstr(text, "//"))
        return "a host or an address, no URL and no network";
    if ((why = take_port(&s, &out->port)))
        return why;
    if (s.len && s.p[0] == '[')
        return take_address(s, out);
    if (s.len > 2 && s.p[0] == '*' && s.p[1] == '.') {
        out->is_below = 1;
        s.p += 2;
        s.len -= 2;
    }
    return take_name(s, out);
}

const char *gw_allow_problem(const char *text)
{
    struct gw_allow_entry e;

    return read_entry(text, &e);
}

void gw_allow_init(struct gw_allow *a, const struct gw_strs *texts)
{
    a->n = 0;
    a->entries = calloc(texts->n + 1, sizeof(*a->entries));
    if (!a->entries)
        abort();
    for (size_t i = 0; i < texts->n; i++)
        if (!read_entry(texts->items[i], &a->entries[a->n]))
            a->n++;
}

void gw_allow_fini(struct gw_allow *a)
{
    free(a->entries);
    *a = (struct gw_allow){0};
}

static int is_name(const struct gw_allow_entry *e, struct gw_str host)
{
    if (!e->name.p)
        return 0;
    if (!e->is_below)
        return host.len == e->name.len && !strncasecmp(host.p, e->name.p, host.len);
    return host.len > e->name.len + 1 && host.p[host.len - e->name.len - 1] == '.' &&
           !strncasecmp(host.p + host.len - e->name.len, e->name.p, e->name.len);
}

static int is_address(const struct gw_allow_entry *e, const unsigned char address[GW_ADDRESS])
{
    return !e->name.p && !memcmp(e->address, address, GW_ADDRESS);
}

enum gw_allowed gw_allow_host(const struct gw_allow *a, const char *host, int port)
{
    struct gw_str s = gw_str_of(host);
    enum gw_allowed best = GW_ALLOWED_NO;
    unsigned char address[GW_ADDRESS];
    int has_address;

    if (host[0] == '[')
        s = (struct gw_str){host + 1, s.len - 2};
    has_address = !gw_address_read(s, address);
    for (size_t i = 0; i < a->n; i++) {
        const struct gw_allow_entry *e = &a->entries[i];

        if (e->port && e->port != port)
            continue;
        if (has_address ? is_address(e, address) : is_name(e, s) && !e->is_below)
            return GW_ALLOWED_ITSELF;
        if (!has_address && is_name(e, s))
            best = GW_ALLOWED_BELOW;
    }
    return best;
}

const char *gw_allow_address(const struct gw_allow *a, enum gw_allowed how,
                             const struct sockaddr *to, int port)
{
    unsigned char address[GW_ADDRESS];
    const char *noun;
    const enum gw_place place = gw_address_place(to, &noun);

    if (place == GW_PLACE_PUBLIC || (place == GW_PLACE_OWN && how == GW_ALLOWED_ITSELF))
        return NULL;
    if (gw_address_of(to, address))
        return noun;
    for (size_t i = 0; i < a->n; i++)
        if (is_address(&a->entries[i], address) &&
            (!a->entries[i].port || a->entries[i].port == port))
            return NULL;
    return noun;
}

/* What an event becomes on its way to SNS or SQS, and the keys of both. */
#include "publish/aws_batch.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/format.h"
#include "net/sha256.h"

#include <string.h>
#include <strings.h>

enum { FIFO_ID = 128, SUBJECT = 99, TYPE_LEN = 6, NAME_MAX_LEN = 256 };

const char *const gw_aws_dedups[] = {"id", "none", NULL};

struct gw_str gw_aws_topic(const struct gw_aws_publisher *p, const struct gw_message *m)
{
    return m->topic.p ? m->topic : gw_str_of(p->conf->to);
}

struct gw_str gw_aws_fifo_id(struct gw_arena *mem, struct gw_str id)
{
    size_t i = 0;

    while (i < id.len && id.p[i] > ' ' && id.p[i] < 0x7f)
        i++;
    if (i == id.len && id.len && id.len <= FIFO_ID)
        return id;
    return gw_sha256_hex(mem, id);
}

/* FlyteAdmin's ids are the same for every execution of a task. */
static int has_own_ids(const struct gw_aws_publisher *p)
{
    return p->flyteadmin.style != GW_STYLE_FLYTEADMIN &&
           p->flyteadmin.style != GW_STYLE_FLYTEADMIN_V2;
}

struct gw_str gw_aws_dedup_id(const struct gw_aws_publisher *p, struct gw_arena *mem,
                              const struct gw_message *m)
{
    struct gw_buf id;

    gw_buf_init(&id, SIZE_MAX / 2, mem);
    gw_buf_put_str(&id, m->event_id);
    if (!has_own_ids(p)) {
        gw_buf_putc(&id, ':');
        gw_sha256_hex_put(&id, m->body);
    }
    if (m->replay)
        gw_buf_printf(&id, ":r%llu", (unsigned long long)m->replay);
    return gw_aws_fifo_id(mem, gw_buf_str(&id));
}

/* ---- the subject ---- */

/* One line of printable ASCII that SNS takes, as near to it as can be; p NULL: nothing is left. */
static struct gw_str legal_subject(struct gw_arena *mem, struct gw_str s)
{
    char *p = gw_arena_alloc(mem, SUBJECT);
    size_t n = 0;

    for (size_t i = 0, step; i < s.len && n < SUBJECT; i += step) {
        const char c = s.p[i];

        step = gw_utf8_step(s.p + i, s.len - i);
        step = step ? step : 1;
        if (step > 1)
            p[n++] = '?';
        else if (c > ' ' && c < 0x7f)
            p[n++] = c;
        else if (n)
            p[n++] = ' ';
    }
    while (n && p[n - 1] == ' ')
        n--;
    return n ? (struct gw_str){p, n} : (struct gw_str){0};
}

/* ---- attributes ---- */

static int is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

int gw_aws_attribute_check(struct gw_str name, struct gw_str value, struct gw_err *err)
{
    size_t i = 0;

    while (i < name.len && is_name_char(name.p[i]))
        i++;
    if (i < name.len || !name.len || name.len > NAME_MAX_LEN || name.p[0] == '.' ||
        name.p[name.len - 1] == '.' || (name.len >= 4 && !strncasecmp(name.p, "aws.", 4)) ||
        (name.len >= 7 && !strncasecmp(name.p, "amazon.", 7)))
        return gw_err_set(err, GW_ERR_REJECT,
                          "a message attribute's name has letters, digits, _ - . and does not "
                          "begin with AWS. or Amazon.");
    if (!value.len)
        return gw_err_set(err, GW_ERR_REJECT, "a message attribute is not empty");
    if (gw_utf8_valid(value) < value.len)
        return gw_err_set(err, GW_ERR_REJECT, "a message attribute is UTF-8");
    return gw_aws_sqs.check(value, err) ? gw_err_wrap(err, "a message attribute") : 0;
}

static void set_attributes(const struct gw_aws_publisher *p, const struct gw_event *ev,
                           struct gw_arena *mem, struct gw_message *m)
{
    const struct gw_strs *names = &p->conf->attributes;
    struct gw_header *all;

    if (!names->n)
        return;
    all = gw_arena_alloc(mem, names->n * sizeof(*all));
    m->headers = all;
    for (size_t i = 0; i < names->n; i++) {
        struct gw_str value = gw_event_text(ev, names->items[i]);

        if (!strcmp(names->items[i], "specversion"))
            value = GW_STR("1.0");
        if (value.len)
            all[m->n_headers++] = (struct gw_header){gw_str_of(names->items[i]), value};
    }
}

/* ---- the message ---- */

static int set_documented(const struct gw_aws_publisher *p, const struct gw_event *ev,
                          struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    const size_t max = p->base.limits.message_bytes;
    struct gw_str bytes;
    struct gw_buf out;

    m->subject = legal_subject(mem, gw_event_text(ev, "subject"));
    if (!p->protobuf)
        return gw_publish_json(ev, mem, max, 0, &m->body, err);
    if (gw_publish_protobuf(ev, mem, max, &bytes, err))
        return -1;
    gw_buf_init(&out, bytes.len / 3 * 4 + 4, mem);
    gw_base64_put(&out, bytes);
    m->body = gw_buf_str(&out);
    return 0;
}

/* FlyteAdmin has no queue of its own: one that its topic sends to raw gets the same text. */
static int set_flyteadmin(const struct gw_aws_publisher *p, const struct gw_event *ev,
                          struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    const struct gw_str key = m->key;

    if (gw_flyteadmin_sns(&p->flyteadmin, ev, mem, m, err))
        return -1;
    m->key = key;
    m->subject = legal_subject(mem, m->subject);
    return 0;
}

static void set_group(const struct gw_aws_publisher *p, const struct gw_event *ev,
                      struct gw_arena *mem, struct gw_message *m)
{
    gw_key_choose(&p->group, ev, m);
    gw_publish_route(ev, mem, m);
    m->key = gw_aws_fifo_id(mem, m->key);
}

/* Of two attributes with one name a service takes none, or either: the later one is meant, which is
 * a hook's. */
static void drop_repeats(struct gw_arena *mem, struct gw_message *m)
{
    struct gw_header *all = gw_arena_alloc(mem, (m->n_headers + 1) * sizeof(*all));
    size_t n = 0;

    for (size_t i = 0; i < m->n_headers; i++) {
        size_t later = i + 1;

        while (later < m->n_headers && !gw_str_eq(m->headers[later].name, m->headers[i].name))
            later++;
        if (later == m->n_headers)
            all[n++] = m->headers[i];
    }
    m->headers = all;
    m->n_headers = n;
}

int gw_aws_format(struct gw_publisher *base, const struct gw_event *ev,
                  const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                  struct gw_err *err)
{
    const struct gw_aws_publisher *p = (const struct gw_aws_publisher *)base;

    (void)flyte;
    m->event_id = gw_event_text(ev, "id");
    if (p->flyteadmin.style != GW_STYLE_DOCUMENTED ? set_flyteadmin(p, ev, mem, m, err)
                                                   : set_documented(p, ev, mem, m, err))
        return -1;
    if (p->service->check && p->service->check(m->body, err))
        return -1;
    set_attributes(p, ev, mem, m);
    set_group(p, ev, mem, m);
    if (ev->route && ev->route->n_headers)
        drop_repeats(mem, m);
    if (m->n_headers > GW_AWS_ATTRIBUTES)
        return gw_err_set(err, GW_ERR_REJECT, "%zu message attributes: there may be %d",
                          m->n_headers, GW_AWS_ATTRIBUTES);
    m->bytes = m->body.len + m->subject.len;
    for (size_t i = 0; i < m->n_headers; i++)
        m->bytes += m->headers[i].name.len + TYPE_LEN + m->headers[i].value.len;
    return m->bytes > base->limits.message_bytes
               ? gw_publish_too_large(err, base->limits.message_bytes)
               : 0;
}

/* ---- the keys ---- */

static void problem(struct gw_problems *p, const struct gw_yaml *at, const char *key,
                    const char *why)
{
    const struct gw_yaml *y = gw_yaml_place(at, key);

    gw_problems_add(p, 0, y->file, y->line, y->column, "%s: %s", key, why);
}

void gw_aws_publish_check(const struct gw_aws_publish_conf *c, struct gw_problems *p,
                          const struct gw_yaml *at)
{
    struct gw_key_choice group;

    if (c->endpoint && gw_fetch_url_problem(c->endpoint))
        problem(p, at, "endpoint", gw_fetch_url_problem(c->endpoint));
    if (c->group && (gw_key_choice_parse(c->group, &group) || group.from == GW_KEY_NONE))
        problem(p, at, "group", "it is key, id or attr:NAME");
    if (c->attributes.n > GW_AWS_ATTRIBUTES)
        problem(p, at, "attributes",
                "there may be 10: more and SNS drops the message on its way "
                "to a queue with raw delivery, SQS refuses it");
    for (size_t i = 0; i < c->attributes.n; i++)
        if (!gw_attr_name_ok(gw_str_of(c->attributes.items[i])))
            problem(p, at, "attributes", "names of the event's attributes: a-z, 0-9");
}

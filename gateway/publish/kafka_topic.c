/* Topics: with fields of flyte in them, and those that hooks choose. */
#include "publish/publish_kafka.h"

#include "base/err.h"
#include "event/route.h"

#include <string.h>

enum { TOPIC_MAX = 249 };

static int is_topic_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

const struct gw_template_form gw_kafka_topic = {
    .what = "topic", .chars = "letters, digits, . _ -", .max = TOPIC_MAX, .is_char = is_topic_char};

/* ---- topics that hooks choose ---- */

static int check_chars(struct gw_str s, const char *more, struct gw_err *err)
{
    if (!s.len || s.len > TOPIC_MAX)
        return gw_err_set(err, GW_ERR_REJECT, "a topic has 1 to %d characters", TOPIC_MAX);
    for (size_t i = 0; i < s.len; i++)
        if (!is_topic_char(s.p[i]) && (!s.p[i] || !strchr(more, s.p[i])))
            return gw_err_set(err, GW_ERR_REJECT,
                              "topic \"%.*s\": a topic has letters, digits, . _ -",
                              s.len > 80 ? 80 : (int)s.len, s.p);
    if (gw_str_is(s, ".") || gw_str_is(s, ".."))
        return gw_err_set(err, GW_ERR_REJECT, "\"%.*s\" is no topic", (int)s.len, s.p);
    return 0;
}

static int kafka_topic(struct gw_str topic, struct gw_err *err)
{
    return check_chars(topic, "", err);
}

static int kafka_pattern(struct gw_str pattern, struct gw_err *err)
{
    return check_chars(pattern, "*?", err);
}

const struct gw_routing gw_kafka_routing = {
    .publisher = "kafka", .topic_is = "topic", .topic = kafka_topic, .pattern = kafka_pattern};

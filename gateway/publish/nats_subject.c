/* Subjects: what is one, and the patterns that allow those which hooks choose. */
#include "base/err.h"
#include "base/text.h"
#include "event/route.h"
#include "publish/publish_nats.h"

#include <string.h>
#include <strings.h>

enum { SUBJECT_MAX = 1000, SHOWN = 80 };

static int is_subject_char(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && c != '*' && c != '>';
}

static int shown(struct gw_str s)
{
    return s.len > SHOWN ? SHOWN : (int)s.len;
}

/* The text up to the next point; rest: what is behind that, p NULL: nothing. */
static struct gw_str first_word(struct gw_str s, struct gw_str *rest)
{
    const char *point = s.len ? memchr(s.p, '.', s.len) : NULL;
    const size_t n = point ? (size_t)(point - s.p) : s.len;

    *rest = point ? (struct gw_str){point + 1, s.len - n - 1} : (struct gw_str){0};
    return (struct gw_str){s.p, n};
}

/* What begins with $ is the servers' own: a message there may delete a stream. */
static int words_ok(struct gw_str s, struct gw_err *err)
{
    struct gw_str rest = s;

    if (s.p[0] == '$' || (s.len >= 7 && !memcmp(s.p, "_INBOX.", 7)))
        return gw_err_set(err, GW_ERR_REJECT,
                          "subject \"%.*s\": what begins with $ or _INBOX. is the servers' own",
                          shown(s), s.p);
    do
        if (!first_word(rest, &rest).len)
            return gw_err_set(err, GW_ERR_REJECT, "subject \"%.*s\" has an empty word", shown(s),
                              s.p);
    while (rest.p);
    return 0;
}

static int check(struct gw_str s, int (*is_char)(char c), struct gw_err *err)
{
    if (!s.len || s.len > SUBJECT_MAX)
        return gw_err_set(err, GW_ERR_REJECT, "a subject has 1 to %d bytes", SUBJECT_MAX);
    if (gw_utf8_valid(s) < s.len)
        return gw_err_set(err, GW_ERR_REJECT, "a subject is UTF-8");
    for (size_t i = 0; i < s.len; i++)
        if (!is_char(s.p[i]))
            return gw_err_set(err, GW_ERR_REJECT,
                              "\"%.*s\" is no subject to send to: words with points between them, "
                              "without white space, * and >",
                              shown(s), s.p);
    return words_ok(s, err);
}

int gw_nats_subject_check(struct gw_str subject, struct gw_err *err)
{
    return check(subject, is_subject_char, err);
}

const struct gw_template_form gw_nats_subject = {
    .what = "subject",
    .chars = "words with points between them, without white space, * and >",
    .max = SUBJECT_MAX,
    .is_char = is_subject_char,
    .whole = gw_nats_subject_check};

/* ---- what hooks choose ---- */

static int is_pattern_char(char c)
{
    return is_subject_char(c) || c == '*' || c == '>';
}

/* As in subscriptions: > stands for one word or more, at the end; a * for one, or a part of it. */
static int pattern_ok(struct gw_str pattern, struct gw_err *err)
{
    const char *more = pattern.len ? memchr(pattern.p, '>', pattern.len) : NULL;

    if (check(pattern, is_pattern_char, err))
        return -1;
    if (more && (more != pattern.p + pattern.len - 1 || (pattern.len > 1 && more[-1] != '.')))
        return gw_err_set(err, GW_ERR_REJECT, "> stands for the last words of a subject, alone");
    return 0;
}

static int pattern_allows(struct gw_str pattern, struct gw_str subject)
{
    while (pattern.p && subject.p) {
        const struct gw_str want = first_word(pattern, &pattern);

        if (gw_str_is(want, ">"))
            return 1;
        if (!gw_glob(want, first_word(subject, &subject)))
            return 0;
    }
    return !pattern.p && !subject.p;
}

/* Nats-… say what JetStream does with the message and with others before it. */
static int header_ok(struct gw_str name, struct gw_str value, struct gw_err *err)
{
    if (name.len >= 5 && !strncasecmp(name.p, "nats-", 5))
        return gw_err_set(err, GW_ERR_REJECT, "headers: %.*s is the publisher's", shown(name),
                          name.p);
    for (size_t i = 0; i < name.len; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f || name.p[i] == ':')
            return gw_err_set(err, GW_ERR_REJECT,
                              "headers: \"%.*s\" is no name: ASCII without white space and :",
                              shown(name), name.p);
    for (size_t i = 0; i < value.len; i++)
        if (value.p[i] == '\r' || value.p[i] == '\n' || value.p[i] == '\0')
            return gw_err_set(err, GW_ERR_REJECT, "headers: %.*s: a value is one line", shown(name),
                              name.p);
    return 0;
}

const struct gw_routing gw_nats_routing = {.publisher = "nats",
                                           .topic_is = "subject",
                                           .topic = gw_nats_subject_check,
                                           .pattern = pattern_ok,
                                           .allows = pattern_allows,
                                           .header = header_ok};

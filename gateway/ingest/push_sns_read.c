/* A message of SNS as it comes to a URL: its members, the text that is signed, and which URLs in it
 * are AWS's (docs.aws.amazon.com, SNS: "Parsing message formats", "Verifying the signatures"). */
#include "base/arena.h"
#include "base/err.h"
#include "base/json_members.h"
#include "base/text.h"
#include "base/time.h"
#include "ingest/push_read.h"
#include "net/fetch.h"

#include <string.h>

enum { URL_MAX = 4096 };

/* ---- members ---- */

static int read_type(struct gw_sns_push *m, struct gw_err *err)
{
    static const char *const names[] = {"Notification", "SubscriptionConfirmation",
                                        "UnsubscribeConfirmation"};

    for (int i = 0; i < 3; i++)
        if (gw_str_is(m->type_text, names[i])) {
            m->type = (enum gw_sns_type)i;
            return 0;
        }
    return gw_err_set(err, GW_ERR_REJECT, "Type: not one of SNS's");
}

static int need(struct gw_str s, const char *name, struct gw_err *err)
{
    return s.p ? 0 : gw_err_set(err, GW_ERR_REJECT, "%s: missing", name);
}

/* In what is signed a line ends each member: one that holds its end could pass for two. */
static int is_one_line(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < ' ')
            return 0;
    return 1;
}

static int check(struct gw_sns_push *m, struct gw_err *err)
{
    const int confirms = m->type != GW_SNS_NOTIFICATION;
    struct gw_time sent;

    if (need(m->message_id, "MessageId", err) || need(m->topic, "TopicArn", err) ||
        need(m->message, "Message", err) || need(m->timestamp, "Timestamp", err) ||
        need(m->signature, "Signature", err) || need(m->version, "SignatureVersion", err) ||
        need(m->cert_url, "SigningCertURL", err) ||
        (confirms && (need(m->subscribe_url, "SubscribeURL", err) || need(m->token, "Token", err))))
        return -1;
    if (!is_one_line(m->message_id) || !is_one_line(m->topic) || !is_one_line(m->timestamp) ||
        !is_one_line(m->subscribe_url) || !is_one_line(m->token))
        return gw_err_set(err, GW_ERR_REJECT, "a control character where SNS has none");
    if (gw_time_parse(m->timestamp, &sent))
        return gw_err_set(err, GW_ERR_REJECT, "Timestamp: not a time");
    m->sent_s = sent.sec;
    return 0;
}

int gw_sns_push_read(struct gw_arena *mem, struct gw_str body, struct gw_sns_push *out,
                     struct gw_err *err)
{
    enum { TYPE, ID, TOPIC, SUBJECT, MESSAGE, TIME, VERSION, SIGNATURE, CERT, URL, TOKEN, ATTR, N };
    struct gw_json_member m[N] = {{.name = "Type"},
                                  {.name = "MessageId"},
                                  {.name = "TopicArn"},
                                  {.name = "Subject"},
                                  {.name = "Message"},
                                  {.name = "Timestamp"},
                                  {.name = "SignatureVersion"},
                                  {.name = "Signature"},
                                  {.name = "SigningCertURL"},
                                  {.name = "SubscribeURL"},
                                  {.name = "Token"},
                                  {.name = "MessageAttributes"}};
    struct gw_str *const to[ATTR] = {&out->type_text,     &out->message_id, &out->topic,
                                     &out->subject,       &out->message,    &out->timestamp,
                                     &out->version,       &out->signature,  &out->cert_url,
                                     &out->subscribe_url, &out->token};

    *out = (struct gw_sns_push){0};
    if (gw_json_members(body, m, N, NULL, err))
        return -1;
    for (int i = 0; i < ATTR; i++)
        if (gw_json_member_text(mem, &m[i], to[i], err))
            return -1;
    out->raw_type = m[TYPE].raw;
    out->raw_topic = m[TOPIC].raw;
    out->raw_message = m[MESSAGE].raw;
    out->raw_subject = m[SUBJECT].raw;
    out->raw_attributes = m[ATTR].raw;
    return read_type(out, err) || check(out, err) ? -1 : 0;
}

/* ---- what is signed ---- */

struct gw_str gw_sns_push_signed(struct gw_arena *mem, const struct gw_sns_push *m, int with_token)
{
    const int token = with_token && m->type != GW_SNS_NOTIFICATION;
    const struct {
        const char *name;
        struct gw_str value;
    } lines[] = {{"Message", m->message},
                 {"MessageId", m->message_id},
                 {"SubscribeURL", token ? m->subscribe_url : (struct gw_str){0}},
                 {"Subject", token ? (struct gw_str){0} : m->subject},
                 {"Timestamp", m->timestamp},
                 {"Token", token ? m->token : (struct gw_str){0}},
                 {"TopicArn", m->topic},
                 {"Type", m->type_text}};
    struct gw_buf b;

    gw_buf_init(&b, SIZE_MAX / 2, mem);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        if (!lines[i].value.p)
            continue;
        gw_buf_puts(&b, lines[i].name);
        gw_buf_putc(&b, '\n');
        gw_buf_put_str(&b, lines[i].value);
        gw_buf_putc(&b, '\n');
    }
    return gw_buf_str(&b);
}

/* ---- topics ---- */

/* A glob's * takes colons, too, and an ARN has five. */
static int is_arn(struct gw_str arn)
{
    int colons = 0;

    for (size_t i = 0; i < arn.len; i++)
        colons += arn.p[i] == ':';
    return colons == 5;
}

int gw_sns_topic_is(struct gw_str topic, const struct gw_strs *listed)
{
    for (size_t i = 0; is_arn(topic) && i < listed->n; i++)
        if (gw_glob(gw_str_of(listed->items[i]), topic))
            return 1;
    return 0;
}

/* ---- URLs ---- */

static int letters(const char **at)
{
    const char *from = *at;

    while (**at >= 'a' && **at <= 'z')
        ++*at;
    return *at > from;
}

/* sns.REGION.amazonaws.com or …com.cn. A region has the shape of one (us-gov-west-1): in
 * sns.s3-us-west-2.amazonaws.com "sns" would be anybody's bucket. */
static int is_aws_host(const char *host)
{
    const char *at = host + 4;
    int words = 0;

    if (strncmp(host, "sns.", 4) != 0)
        return 0;
    while (letters(&at) && *at == '-') {
        at++;
        words++;
    }
    if (words < 2 || *at < '0' || *at > '9')
        return 0;
    at += strspn(at, "0123456789");
    return !strcmp(at, ".amazonaws.com") || !strcmp(at, ".amazonaws.com.cn");
}

static int is_aws(const struct gw_fetch_url *u)
{
    return u->tls && u->port == 443 && is_aws_host(u->host);
}

/* NULL, or why not. */
static const char *read_url(struct gw_arena *mem, struct gw_str text, struct gw_fetch_url *u)
{
    const char *s = gw_arena_strndup(mem, text.p, text.len);

    *u = (struct gw_fetch_url){0};
    gw_buf_init(&u->text, URL_MAX, mem);
    if (strlen(s) != text.len || text.len >= URL_MAX)
        return "not a URL";
    return gw_fetch_url_read(u, NULL, s);
}

static int begins_with(const char *url, const struct gw_fetch_url *prefix)
{
    return !strncmp(url, prefix->text.p, strlen(prefix->text.p));
}

static int has_host(const struct gw_fetch_url *u, const struct gw_fetch_url *prefix)
{
    return u->tls == prefix->tls && !strcmp(u->host, prefix->host);
}

static int is_listed(struct gw_arena *mem, const struct gw_fetch_url *u,
                     const struct gw_strs *prefixes, int host_only)
{
    for (size_t i = 0; i < prefixes->n; i++) {
        struct gw_fetch_url prefix;

        if (!read_url(mem, gw_str_of(prefixes->items[i]), &prefix) &&
            (host_only ? has_host(u, &prefix) : begins_with(u->text.p, &prefix)))
            return 1;
    }
    return 0;
}

const char *gw_sns_cert_url(struct gw_arena *mem, struct gw_str text,
                            const struct gw_strs *prefixes, const char **url)
{
    struct gw_fetch_url u;
    const char *why = read_url(mem, text, &u);
    size_t len;

    if (why)
        return why;
    *url = u.text.p;
    if (is_listed(mem, &u, prefixes, 0))
        return NULL;
    if (!is_aws(&u))
        return "not https:// and a host of SNS's";
    len = strlen(u.text.p);
    if (strchr(u.text.p, '?') || len < 4 || strcmp(u.text.p + len - 4, ".pem") != 0)
        return "its path does not end in .pem";
    return NULL;
}

const char *gw_sns_subscribe_url(struct gw_arena *mem, struct gw_str text,
                                 const struct gw_strs *prefixes, const char **url)
{
    struct gw_fetch_url u;
    const char *why = read_url(mem, text, &u);

    if (why)
        return why;
    *url = u.text.p;
    return is_aws(&u) || is_listed(mem, &u, prefixes, 1) ? NULL
                                                         : "not https:// and a host of SNS's";
}

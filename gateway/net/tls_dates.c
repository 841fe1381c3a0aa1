/* How long certificates are good for: what `check` warns of before nobody gets through any more. */
#include "base/clock.h"
#include "base/problems.h"
#include "base/time.h"
#include "base/yaml.h"
#include "net/tls_conf.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>

#define NS 1000000000
enum { DAY = 86400, SOON = 14 * DAY, MAX_FILE = 4 << 20, SUBJECT = 81 };

struct dates {
    int64_t from, until; /* seconds since 1970 */
    char subject[SUBJECT];
};

static int seconds_of(const ASN1_TIME *t, int64_t *s)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return -1;
    *s = timegm(&tm);
    return 0;
}

/* As RFC 2253 writes it, controls escaped. */
static void put_subject(const X509 *cert, char out[SUBJECT])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n = -1;

    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) > 0)
        n = BIO_read(bio, out, SUBJECT - 1);
    out[n > 0 ? n : 0] = '\0';
    BIO_free(bio);
}

static int is_good(const struct dates *d, int64_t now)
{
    return d->from <= now && d->until > now + SOON;
}

/* Of a chain the first that is not good, of authorities the one that lasts longest: then they are
 * all no good. 0: nothing to tell. */
static int find(BIO *bio, int chain, int64_t now, struct dates *worst)
{
    int found = 0;
    X509 *cert;

    while ((cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
        struct dates d = {.until = 0};
        const int told = !seconds_of(X509_get0_notBefore(cert), &d.from) &&
                         !seconds_of(X509_get0_notAfter(cert), &d.until);

        if (told && (!found || (!chain && d.until > worst->until)) &&
            (!chain || !is_good(&d, now))) {
            put_subject(cert, d.subject);
            *worst = d;
            found = 1;
        }
        X509_free(cert);
        if (!chain && told && is_good(&d, now))
            return 0;
    }
    return found;
}

static void tell(const struct dates *d, int64_t now, const char *what, char *out, size_t size)
{
    const int ended = d->until <= now, early = d->from > now;
    char at[GW_TIME_TEXT];

    (void)gw_time_format((struct gw_time){early ? d->from : d->until, 0}, at);
    if (ended || early)
        (void)snprintf(out, size, "%s%s %s %s", what, d->subject,
                       early ? "is not valid before" : "has ended at", at);
    else
        (void)snprintf(out, size, "%s%s ends at %s, in less than %lld day%s", what, d->subject, at,
                       (long long)(d->until - now) / DAY + 1, d->until - now < DAY ? "" : "s");
}

void gw_tls_dates_check(const char *path, int chain, const char *key, struct gw_problems *p,
                        const struct gw_yaml *at)
{
    const int64_t now = gw_clock_wall_ns() / NS;
    struct dates worst = {.until = 0};
    struct stat st;
    char text[200];
    BIO *bio;

    if (!path || stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size > MAX_FILE)
        return;
    bio = BIO_new_file(path, "r");
    if (bio && find(bio, chain, now, &worst)) {
        tell(&worst, now, chain ? "the certificate of " : "the last authority, ", text,
             sizeof(text));
        gw_problems_add(p, GW_PROBLEM_WARNING, at->file, at->line, at->column, "%s: %s: %s", key,
                        path, text);
    }
    BIO_free(bio);
    ERR_clear_error();
}

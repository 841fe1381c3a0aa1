/* What libcurl knows of texts: URLs and dates. */
#include "net/fetch.h"

#include "net/address.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *gw_fetch_url_problem(const char *url)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *user = NULL, *fragment = NULL;
    const char *why = NULL;
    CURLUcode code;

    if (!u)
        abort();
    code = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (code || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0))
        why = code == CURLUE_BAD_PORT_NUMBER ? "not a URL: a bad port"
              : code == CURLUE_BAD_SCHEME || !strstr(url, "://")
                  ? "not a URL: http:// or https:// is missing"
                  : "not a URL";
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        why = "not an http:// or https:// URL";
    else if (!curl_url_get(u, CURLUPART_USER, &user, 0))
        why = "a name and password do not belong into the URL";
    else if (!curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0))
        why = "a #fragment is not sent";
    curl_free(scheme);
    curl_free(user);
    curl_free(fragment);
    curl_url_cleanup(u);
    return why;
}

int64_t gw_fetch_date(const char *text)
{
    return curl_getdate(text, NULL);
}

/* ---- a URL that others chose ---- */

/* What parsers disagree about is refused before one of them sees it. */
static int is_plain(const char *text)
{
    const size_t scheme = strcspn(text, ":/?#");

    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("\"\\<>^`{|}", *p))
            return 0;
    return *text != '\0' && strncmp(text + scheme, ":///", 4) != 0;
}

/* In lower case, without the dot of the root: what is looked up is what is looked at. */
static int is_host(char *host)
{
    size_t len = strlen(host);

    if (len > 1 && host[len - 1] == '.' && host[len - 2] != '.')
        host[--len] = '\0';
    for (char *p = host; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 'a' - 'A' : *p);
    if (host[0] == '[')
        return len > 3 && host[len - 1] == ']' && strspn(host + 1, "0123456789abcdef:.") == len - 2;
    return len > 0 && host[0] != '.' && !strstr(host, "..") &&
           strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len;
}

/* Parts that a URL of a script has none of. */
static const char *odd_part(CURLU *u)
{
    static const struct {
        CURLUPart part;
        const char *why;
    } parts[] = {{CURLUPART_USER, "a name and password do not belong into the URL"},
                 {CURLUPART_PASSWORD, "a name and password do not belong into the URL"},
                 {CURLUPART_ZONEID, "an address with a zone is not of the internet"}};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *value = NULL;

        if (!curl_url_get(u, parts[i].part, &value, 0)) {
            curl_free(value);
            return parts[i].why;
        }
    }
    return NULL;
}

static const char *take_host(CURLU *u, struct gw_fetch_url *out)
{
    char *host = NULL, *port = NULL;
    const char *why = NULL;

    if (curl_url_get(u, CURLUPART_HOST, &host, 0) || strlen(host) >= sizeof(out->host) ||
        !is_host(host) || curl_url_set(u, CURLUPART_HOST, host, 0))
        why = "its host is neither a name in ASCII nor an address";
    else
        memcpy(out->host, host, strlen(host) + 1);
    out->port = 0;
    if (!curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
        out->port = gw_port_read(gw_str_of(port));
    if (!why && out->port < 1)
        why = "a bad port";
    curl_free(host);
    curl_free(port);
    return why;
}

static const char *take_text(CURLU *u, struct gw_fetch_url *out)
{
    char *scheme = NULL, *text = NULL;
    const char *why = NULL;

    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
        (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0))
        why = "not an http:// or https:// URL";
    else if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) ||
             curl_url_get(u, CURLUPART_URL, &text, 0))
        why = "not a URL";
    out->tls = scheme && !strcasecmp(scheme, "https");
    gw_buf_clear(&out->text);
    if (!why) {
        gw_buf_put(&out->text, text, strlen(text) + 1);
        why = out->text.failed ? "it is too long" : NULL;
    }
    curl_free(scheme);
    curl_free(text);
    return why;
}

static const char *read_url(CURLU *u, const char *base, const char *text, struct gw_fetch_url *out)
{
    CURLUcode code = base ? curl_url_set(u, CURLUPART_URL, base, 0) : CURLUE_OK;
    const char *why;

    if (!is_plain(text))
        return "not a URL: bytes that stand in none (percent-encode them)";
    if (!code)
        code = curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (code)
        return code == CURLUE_BAD_PORT_NUMBER ? "a bad port"
               : code == CURLUE_BAD_SCHEME    ? "not a URL: http:// or https:// is missing"
                                              : "not a URL";
    if ((why = odd_part(u)) || (why = take_host(u, out)))
        return why;
    return take_text(u, out);
}

const char *gw_fetch_url_read(struct gw_fetch_url *out, const char *base, const char *text)
{
    CURLU *u = curl_url();
    const char *why;

    if (!u)
        abort();
    why = read_url(u, base, text, out);
    curl_url_cleanup(u);
    return why;
}

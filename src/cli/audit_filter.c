#include "audit_filter.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "calls_codec.h"
#include "clock.h"

/* span_of: "10m" is so long before now. */
static bool span_of(const char *s, uint64_t *ret_us)
{
	static const struct { char unit; uint64_t seconds; } units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
	};
	size_t n = strlen(s);
	char digits[16];
	uint64_t count;

	if (n < 2 || n > sizeof(digits))
		return false;
	memcpy(digits, s, n - 1);
	digits[n - 1] = '\0';
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].unit == s[n - 1] && cli_number(digits, 0, 1000000000, &count)) {
			*ret_us = clock_wall_us() - count * units[i].seconds * 1000000u;
			return true;
		}
	return false;
}

/* time_of takes UTC as the records print it, as far as it is given, or a span. */
static bool time_of(const char *s, uint64_t *ret_us)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm t = { 0 };
		const char *end = strptime(s, forms[i], &t);

		if (end == NULL)
			continue;
		if (*end == '.') /* parts of a second */
			end += 1 + strspn(end + 1, "0123456789");
		if (*end == 'Z')
			end++;
		if (*end != '\0')
			continue;
		*ret_us = (uint64_t)timegm(&t) * 1000000u;
		return true;
	}
	return span_of(s, ret_us);
}

static bool read_time(const struct cli *c, enum opt o, const char *name, uint64_t *ret)
{
	if (c->opt[o] == NULL || time_of(c->opt[o], ret))
		return true;
	(void)cli_usage("--%s wants a time in UTC as 2026-01-31T12:00:00, or a span before now as 90s, 10m, "
		"2h or 7d, not '%s'", name, c->opt[o]);
	return false;
}

/* --- names ---------------------------------------------------------------------------- */

/* word takes the next one off a comma-separated list, into out; false: there is none. */
static bool word(const char **list, char *out, size_t size)
{
	size_t n = strcspn(*list, ",");

	if (**list == '\0')
		return false;
	(void)snprintf(out, size, "%.*s", (int)n, *list);
	*list += n + ((*list)[n] == ',');
	return true;
}

static bool one_of(const char *const *v, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i], s) == 0)
			return true;
	return false;
}

static bool is_call(const char *s)
{
	static const char *const events[] = { "start", "stop", "checkpoint", "audit-gap", "audit-mended",
		"audit-dropped", "audit-lost", "audit-key", "clock-jump", "damage", "error", "key_uses",
		"lock_out", "partition-rotated", "root-rotated", "store-changed", "tamper", "tpm-counter" };

	for (size_t i = 0; i < CALLS_ROWS; i++)
		if (calls_rows[i].name != NULL && strcmp(calls_rows[i].name, s) == 0)
			return true;
	return one_of(events, sizeof(events) / sizeof(events[0]), s);
}

static bool is_result_name(const char *s)
{
	for (unsigned i = 0; i < HF_ERR_COUNT; i++)
		if (strcmp(err_name((enum hf_err)i), s) == 0)
			return true;
	return strcmp(s, "failed") == 0;
}

static bool is_role(const char *s)
{
	static const char *const roles[] = { "public", "user", "so", "limited", "crypto-user", "hsm-so",
		"administrator", "auditor", "admin" };

	return one_of(roles, sizeof(roles) / sizeof(roles[0]), s);
}

static bool is_mechanism_name(const char *s)
{
	uint32_t unused;

	return mechanism_of_name(s, &unused);
}

/* names_known says which word of an option means nothing. */
static bool names_known(const struct cli *c)
{
	static const struct { enum opt opt; const char *what; bool (*known)(const char *s); } rows[] = {
		{ OPT_CALL, "call or event", is_call },
		{ OPT_RESULT, "result", is_result_name },
		{ OPT_ROLE, "role", is_role },
		{ OPT_MECHANISM, "mechanism", is_mechanism_name },
	};
	char one[80];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *list = c->opt[rows[i].opt];

		while (list != NULL && word(&list, one, sizeof(one)))
			if (!rows[i].known(one)) {
				(void)cli_usage("there is no %s '%s'", rows[i].what, one);
				return false;
			}
	}
	return true;
}

bool audit_filter_of(struct cli *c, struct audit_filter *ret)
{
	*ret = (struct audit_filter){
		.until_us = UINT64_MAX,
		.partition = c->opt[OPT_PARTITION],
		.call = c->opt[OPT_CALL],
		.object = c->opt[OPT_OBJECT],
		.role = c->opt[OPT_ROLE],
		.result = c->opt[OPT_RESULT],
		.mechanism = c->opt[OPT_MECHANISM],
		.has_uid = c->opt[OPT_UID] != NULL,
	};
	if (ret->has_uid && !cli_number(c->opt[OPT_UID], 0, UINT32_MAX, &ret->uid)) {
		(void)cli_usage("--uid wants a number, not '%s'", c->opt[OPT_UID]);
		return false;
	}
	return names_known(c) && read_time(c, OPT_SINCE, "since", &ret->since_us) &&
		read_time(c, OPT_UNTIL, "until", &ret->until_us);
}

/* is: the wish is absent, or one of the words in its comma-separated list. */
static bool is(const char *wish, struct slice word)
{
	if (wish == NULL)
		return true;
	for (;;) {
		size_t n = strcspn(wish, ",");

		if (slice_eq((struct slice){ (const uint8_t *)wish, n }, word))
			return true;
		if (wish[n] == '\0')
			return false;
		wish += n + 1;
	}
}

/* is_cut: the label is the beginning of one of the words, and was cut in the record: behind an ellipsis,
 * or, in records of format 2's first versions, at 64 bytes without a sign of it. */
static bool is_cut(const char *wish, struct slice label)
{
	static const char cut[] = "\u2026";
	const size_t n = sizeof(cut) - 1;

	if (wish == NULL || label.n < 61)
		return false;
	if (memcmp(label.p + label.n - n, cut, n) == 0)
		label.n -= n;
	else if (label.n > 64)
		return false;
	for (;; wish++) {
		if (strcspn(wish, ",") > label.n && memcmp(wish, label.p, label.n) == 0)
			return true;
		wish += strcspn(wish, ",");
		if (*wish == '\0')
			return false;
	}
}

static bool is_object(const char *wish, const struct audit_record *r)
{
	char hex[40] = "";

	if (r->object.n > 0 && 2 * r->object.n < sizeof(hex))
		hex_encode(r->object, hex);
	return is(wish, r->object_label) || is_cut(wish, r->object_label) || is(wish, slice_str(hex));
}

static bool is_mechanism(const char *wish, uint32_t mechanism)
{
	uint32_t wanted;
	char one[80];

	if (wish == NULL)
		return true;
	while (word(&wish, one, sizeof(one)))
		if (mechanism_of_name(one, &wanted) && wanted == mechanism)
			return true;
	return false;
}

static bool is_result(const char *wish, uint16_t result)
{
	if (wish != NULL && strcmp(wish, "failed") == 0)
		return result != HF_OK;
	return is(wish, slice_str(err_name((enum hf_err)result)));
}

bool audit_filter_matches(const struct audit_filter *f, const struct audit_record *r)
{
	return r->time_us >= f->since_us && r->time_us <= f->until_us && is(f->call, r->event) &&
		(is(f->partition, r->partition_label) || is(f->partition, r->partition)) &&
		is(f->role, r->role) && is_result(f->result, r->result) && is_object(f->object, r) &&
		is_mechanism(f->mechanism, r->mechanism) && (!f->has_uid || f->uid == r->uid);
}

#include "audit_filter.h"

#include <string.h>
#include <time.h>

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
	return read_time(c, OPT_SINCE, "since", &ret->since_us) &&
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

static bool is_object(const char *wish, const struct audit_record *r)
{
	char hex[40] = "";

	if (r->object.n > 0 && 2 * r->object.n < sizeof(hex))
		hex_encode(r->object, hex);
	return is(wish, r->object_label) || is(wish, slice_str(hex));
}

static bool is_mechanism(const char *wish, uint32_t mechanism)
{
	const char *name = mechanism != UINT32_MAX ? name_of_mechanism(mechanism) : NULL;

	return is(wish, slice_str(name != NULL ? name : ""));
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

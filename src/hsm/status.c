#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "clock.h"
#include "damaged.h"
#include "log.h"
#include "object.h"
#include "partition.h"
#include "unlock.h"

#ifndef HF_VERSION
#define HF_VERSION "unknown"
#endif

#define FACTS_MAX 64u
#define TESTS_MAX 256u
#define NS_PER_S 1000000000u

/* struct facts: what is told once, in the order of its first telling. */
struct facts {
	struct mutex lock;
	char *name[FACTS_MAX], *value[FACTS_MAX];
	size_t n;
	uint64_t start_ns;
	/* The last run of each self-test; the names are constants. */
	struct { const char *name; bool passed; } tests[TESTS_MAX];
	size_t test_n;
};

enum hf_err facts_new(struct facts **ret)
{
	struct facts *f = hf_alloc(1, sizeof(*f));

	if (f == NULL)
		return HF_E_MEMORY;
	mutex_init(&f->lock);
	f->start_ns = clock_mono_ns();
	*ret = f;
	return HF_OK;
}

void facts_free(struct facts *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n; i++) {
		hf_free(f->name[i]);
		hf_free(f->value[i]);
	}
	mutex_done(&f->lock);
	hf_free(f);
}

static void replace(char **at, const char *s)
{
	char *copy = hf_strdup(s);

	if (copy == NULL)
		return;
	hf_free(*at);
	*at = copy;
}

void hsm_fact(struct hsm *h, const char *name, const char *value)
{
	struct facts *f = h->facts;
	MUTEX_HOLD(&f->lock);
	size_t i = 0;

	while (i < f->n && strcmp(f->name[i], name) != 0)
		i++;
	if (i == FACTS_MAX)
		return;
	if (i == f->n) {
		f->name[i] = hf_strdup(name);
		f->value[i] = hf_strdup(value);
		if (f->name[i] == NULL || f->value[i] == NULL) {
			hf_free(f->name[i]);
			hf_free(f->value[i]);
			return;
		}
		f->n++;
		return;
	}
	replace(&f->value[i], value);
}

/* --- listing ----------------------------------------------------------------------- */

/* struct listing collects facts in an arena; an allocation that fails leaves
 * them out and is told at the end. */
struct listing {
	struct arena *a;
	struct fact *v;
	size_t n, max;
	enum hf_err err;
};

static void tell(struct listing *l, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void tell(struct listing *l, const char *name, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (l->n == l->max || l->err != HF_OK)
		return;
	l->err = arena_dup(l->a, slice_str(name), &l->v[l->n].name);
	if (l->err == HF_OK)
		l->err = arena_dup(l->a, slice_str(text), &l->v[l->n].value);
	if (l->err == HF_OK)
		l->n++;
}

static enum hf_err listing_begin(struct listing *l, struct arena *a, size_t max)
{
	*l = (struct listing){ .a = a, .max = max };
	l->v = arena_alloc(a, max, sizeof(*l->v));
	return l->v != NULL ? HF_OK : HF_E_SECRET_MEMORY;
}

static const char *state_name(enum hsm_state state)
{
	switch (state) {
	case HSM_OPERATIONAL:
		return "operational";
	case HSM_LOCKED:
		return "locked";
	case HSM_ERROR:
		return "error";
	case HSM_TAMPERED:
		return "tampered: 'holdfast tamper clear'";
	case HSM_UNINITIALIZED:
		return "uninitialized: the first 'holdfast unlock' sets its passphrase";
	case HSM_ZEROIZED:
		return "zeroized";
	}
	return "unknown";
}

struct totals {
	size_t sessions, rw_sessions, objects;
};

static void add_partition(struct partition *p, struct totals *t)
{
	(void)pthread_rwlock_rdlock(&p->lock);
	t->sessions += p->sessions;
	t->rw_sessions += p->rw_sessions;
	t->objects += objects_count(p->objects);
	(void)pthread_rwlock_unlock(&p->lock);
}

static enum hf_err tell_store(struct hsm *h, struct listing *l)
{
	size_t damaged;
	const char *trouble = records_trouble(h->records);

	TRY(partitions_damaged(h, &damaged));
	if (*trouble != '\0')
		tell(l, "store", "not as it was left: %s", trouble);
	else
		tell(l, "store", "as it was left");
	tell(l, "store sequence", "%llu", (unsigned long long)records_sequence(h->records));
	tell(l, "damaged records", "%zu", damaged);
	return HF_OK;
}

static enum hf_err tell_contents(struct hsm *h, struct listing *l)
{
	struct totals t = { 0 };
	struct partition **v;
	size_t n;

	TRY(partitions_all(h, l->a, &v, &n));
	for (size_t i = 0; i < n; i++)
		add_partition(v[i], &t);
	partitions_unref(v, n);
	tell(l, "partitions", "%zu", n);
	tell(l, "sessions", "%zu (%zu read/write)", t.sessions, t.rw_sessions);
	tell(l, "objects", "%zu in memory", t.objects);
	TRY(tell_store(h, l));
	tell(l, "audit sequence", "%llu", (unsigned long long)audit_sequence(h->audit));
	tell(l, "audit gaps", "%llu", (unsigned long long)audit_gaps(h->audit));
	return HF_OK;
}

static void tell_given(struct facts *f, struct listing *l)
{
	MUTEX_HOLD(&f->lock);

	for (size_t i = 0; i < f->n; i++)
		tell(l, f->name[i], "%s", f->value[i]);
}

/* tell_passphrases: how those that are not one partition's are stretched, such as custodians'. */
static enum hf_err tell_passphrases(struct hsm *h, struct arena *a, struct listing *l)
{
	bool approved = crypto_is_fips();
	struct partition **v;
	uint32_t kib, passes;
	size_t n;

	TRY(partitions_all(h, a, &v, &n));
	for (size_t i = 0; i < n; i++)
		approved |= approved_mode(v[i]);
	partitions_unref(v, n);
	passphrase_kdf(h, approved, &kib, &passes);
	tell(l, "passphrases", "%s, %u passes", kib == 0 ? "PBKDF2" : "Argon2id", passes);
	return HF_OK;
}

static void tell_memory(struct listing *l)
{
	static const char *const grades[] = {
		[SECRET_MEMFD] = "memfd_secret",
		[SECRET_LOCKED] = "locked, not dumped",
		[SECRET_PLAIN] = "not dumped, NOT locked: raise the memory-lock limit",
	};
	struct secret_status s = secret_status();

	tell(l, "secret memory", "%s (%zu KiB secret, %zu locked, %zu plain)", grades[s.worst],
		s.memfd >> 10, s.locked >> 10, s.plain >> 10);
}

enum hf_err status_facts(struct hsm *h, struct arena *a, struct fact_list *ret)
{
	enum hsm_state state = (enum hsm_state)atomic_load(&h->state);
	struct listing l;

	TRY(listing_begin(&l, a, FACTS_MAX + 32));
	tell(&l, "version", "%s", HF_VERSION);
	tell(&l, "state", "%s%s%s", state_name(state), state == HSM_LOCKED ? ": " : "",
		state == HSM_LOCKED ? unlock_how(h) : "");
	if (state == HSM_ERROR)
		tell(&l, "error", "%s", h->error);
	tell(&l, "serial", "%s", h->serial);
	tell(&l, "uptime", "%llu s",
		(unsigned long long)((clock_mono_ns() - h->facts->start_ns) / NS_PER_S));
	tell(&l, "cryptography", "%s", crypto_version());
	TRY(tell_passphrases(h, a, &l));
	tell_memory(&l);
	tell_given(h->facts, &l);
	tell(&l, "connections", "%u", hsm_connections(h));
	if (state == HSM_OPERATIONAL || state == HSM_TAMPERED)
		TRY(tell_contents(h, &l));
	TRY(l.err);
	*ret = (struct fact_list){ l.v, l.n };
	return HF_OK;
}

/* --- self-tests ----------------------------------------------------------------------- */

struct selftest {
	struct facts *facts;
	struct listing *l; /* or NULL */
	unsigned n;
	char failed[192];
};

/* note keeps the result; each run has the same tests in the same order. */
static void note(struct facts *f, size_t i, const char *name, bool ok)
{
	MUTEX_HOLD(&f->lock);

	if (i >= TESTS_MAX)
		return;
	f->tests[i].name = name;
	f->tests[i].passed = ok;
	if (i >= f->test_n)
		f->test_n = i + 1;
}

enum hf_err selftest_results(struct hsm *h, struct arena *a, struct selftest_result_list *ret)
{
	struct selftest_result *v = arena_alloc(a, TESTS_MAX, sizeof(*v));
	struct facts *f = h->facts;
	MUTEX_HOLD(&f->lock);

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < f->test_n; i++)
		v[i] = (struct selftest_result){ slice_str(f->tests[i].name), f->tests[i].passed };
	*ret = (struct selftest_result_list){ v, f->test_n };
	return HF_OK;
}

static void report(void *ctx, const char *name, bool ok)
{
	struct selftest *t = ctx;
	size_t n = strlen(t->failed);

	note(t->facts, t->n++, name, ok);
	if (t->l != NULL)
		tell(t->l, name, "%s", ok ? "passed" : "FAILED");
	if (!ok)
		(void)snprintf(t->failed + n, sizeof(t->failed) - n, "%s%s", n > 0 ? ", " : "", name);
}

bool selftest_run(struct hsm *h, struct arena *a, struct fact_list *ret)
{
	struct listing l = { 0 };
	struct selftest t = { .facts = h->facts };
	char text[256];

	if (ret != NULL && listing_begin(&l, a, TESTS_MAX) == HF_OK)
		t.l = &l;
	if (crypto_selftest(report, &t)) {
		(void)snprintf(text, sizeof(text), "%u passed", t.n);
		hsm_fact(h, "self-tests", text);
	} else {
		(void)snprintf(text, sizeof(text), "self-test failed: %s", t.failed);
		hsm_fact(h, "self-tests", text);
		hsm_fail(h, text);
	}
	if (ret != NULL)
		*ret = (struct fact_list){ l.v, l.n };
	return t.failed[0] == '\0';
}

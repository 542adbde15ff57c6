/* works.c: the pieces of work, as a list. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "lock.h"
#include "secret.h"

#define DATA_MORE 8192 /* bytes, for what a work adds to its data */
#define FILLERS 64     /* threads that make the keys of the token to be found */

static const CK_BYTE p256[] = { 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
static const CK_BYTE p384[] = { 0x06, 5, 0x2b, 0x81, 4, 0, 0x22 };
static const CK_BYTE ed25519[] = { 0x13, 12, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };
static const CK_ULONG bits2048 = 2048, bits4096 = 4096, bits8192 = 8192, len32 = 32;
static const CK_ULONG mldsa65 = CKP_ML_DSA_65;

enum what { SIGN, VERIFY, ENCRYPT, DIGEST, GENERATE, GENERATE_SESSION, RANDOM, NOTHING, FIND, FIND_TOKEN,
	FIND_ID, SESSION, MANY_SESSIONS, INITIALIZE, LOGIN };

struct work {
	const char *name;
	struct key_kind key;
	CK_MECHANISM_TYPE mechanism;
	size_t data; /* bytes */
	enum what what;
};

#define RSA(bits) { CKM_RSA_PKCS_KEY_PAIR_GEN, CKA_MODULUS_BITS, &bits, sizeof(bits), CK_TRUE }
#define EC(curve) { CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, curve, sizeof(curve), CK_TRUE }
#define ED25519 { CKM_EC_EDWARDS_KEY_PAIR_GEN, CKA_EC_PARAMS, ed25519, sizeof(ed25519), CK_TRUE }
#define MLDSA65 { CKM_ML_DSA_KEY_PAIR_GEN, CKA_PARAMETER_SET, &mldsa65, sizeof(mldsa65), CK_TRUE }
#define SECRET(mech) { mech, CKA_VALUE_LEN, &len32, sizeof(len32), CK_FALSE }
#define AES SECRET(CKM_AES_KEY_GEN)
#define NO_KEY { 0 }

static const struct work works[] = {
	{ "rsa2048-sign", RSA(bits2048), CKM_SHA256_RSA_PKCS, 32, SIGN },
	{ "rsa4096-sign", RSA(bits4096), CKM_SHA256_RSA_PKCS, 32, SIGN },
	{ "p256-sign", EC(p256), CKM_ECDSA, 32, SIGN },
	{ "p384-sign", EC(p384), CKM_ECDSA, 48, SIGN },
	{ "ed25519-sign", ED25519, CKM_EDDSA, 32, SIGN },
	{ "mldsa65-sign", MLDSA65, CKM_ML_DSA, 32, SIGN },
	{ "p256-verify", EC(p256), CKM_ECDSA, 32, VERIFY },
	{ "rsa2048-verify", RSA(bits2048), CKM_SHA256_RSA_PKCS, 32, VERIFY },
	{ "hmac-32", SECRET(CKM_GENERIC_SECRET_KEY_GEN), CKM_SHA256_HMAC, 32, SIGN },
	{ "sha256-1k", NO_KEY, CKM_SHA256, 1024, DIGEST },
	{ "aes-gcm-16", AES, CKM_AES_GCM, 16, ENCRYPT },
	{ "aes-gcm-256", AES, CKM_AES_GCM, 256, ENCRYPT },
	{ "aes-gcm-1k", AES, CKM_AES_GCM, 1024, ENCRYPT },
	{ "aes-gcm-4k", AES, CKM_AES_GCM, 4096, ENCRYPT },
	{ "aes-gcm-16k", AES, CKM_AES_GCM, 16384, ENCRYPT },
	{ "aes-gcm-64k", AES, CKM_AES_GCM, 65536, ENCRYPT },
	{ "aes-gcm-256k", AES, CKM_AES_GCM, 262144, ENCRYPT },
	{ "aes-gcm-1m", AES, CKM_AES_GCM, 1048576, ENCRYPT },
	{ "p256-generate", EC(p256), 0, 0, GENERATE },
	{ "p256-generate-session", EC(p256), 0, 0, GENERATE_SESSION },
	{ "rsa8192-generate", RSA(bits8192), 0, 0, GENERATE_SESSION },
	{ "random-32", NO_KEY, 0, 32, RANDOM },
	{ "session-info", NO_KEY, 0, 0, NOTHING },
	{ "session-open", NO_KEY, 0, 0, SESSION },
	{ "find-label", AES, 0, 0, FIND },
	{ "find-token", AES, 0, 0, FIND_TOKEN },
	{ "find-id", AES, 0, 0, FIND_ID },
	{ "many-sessions", EC(p256), CKM_ECDSA, 32, MANY_SESSIONS },
	{ "initialize", NO_KEY, 0, 0, INITIALIZE },
	{ "login", NO_KEY, 0, 0, LOGIN },
};

const char *bench_name(size_t i)
{
	return i < sizeof(works) / sizeof(works[0]) ? works[i].name : NULL;
}

/* struct one_session is used by one thread at a time. */
struct one_session {
	CK_SESSION_HANDLE handle;
	atomic_bool busy;
};

struct shared {
	struct bench *b;
	const struct work *work;
	CK_OBJECT_HANDLE key, pub;
	CK_BYTE data[64], signature[DATA_MORE];
	CK_ULONG signature_len;
	unsigned objects;
	struct one_session *sessions; /* of "many-sessions": objects of them */
	_Atomic unsigned next;       /* object to be made, or session to be used */
	_Atomic bool failed;
	struct mutex whole;          /* held by who begins and ends with the module as a whole */
};

/* The module as a whole, with all its sessions, comes and goes in these works. */
static bool is_whole(const struct work *w)
{
	return w->what == INITIALIZE || w->what == LOGIN;
}

struct state {
	struct shared *shared;
	CK_SESSION_HANDLE session;
	CK_BYTE *data, *out;
	CK_ULONG max;
	uint64_t turn;
};

static void stop(void *arg)
{
	struct state *s = arg;

	if (!is_whole(s->shared->work))
		(void)s->shared->b->p11->C_CloseSession(s->session);
	hf_free(s->data);
	hf_free(s->out);
	hf_free(s);
}

static void *start(void *arg)
{
	struct shared *sh = arg;
	struct state *s = hf_alloc(1, sizeof(*s));

	if (s == NULL || (!is_whole(sh->work) && !bench_session(sh->b, &s->session))) {
		hf_free(s);
		return NULL;
	}
	s->shared = sh;
	s->max = sh->work->data + DATA_MORE;
	s->data = hf_alloc(1, s->max);
	s->out = hf_alloc(1, s->max);
	s->turn = (uint64_t)s->session * 0x9e3779b97f4a7c15u;
	if (s->data == NULL || s->out == NULL) {
		stop(s);
		return NULL;
	}
	memset(s->data, 0x5a, s->max);
	return s;
}

/* did is said, by the first thread that fails. */
static bool did(struct state *s, CK_RV rv, const char *what)
{
	if (rv != CKR_OK && !atomic_exchange(&s->shared->failed, true))
		(void)said(rv, what);
	return rv == CKR_OK;
}

/* --- one time ------------------------------------------------------------------------ */

static bool once_sign(void *arg)
{
	struct state *s = arg;
	CK_FUNCTION_LIST *p11 = s->shared->b->p11;
	CK_MECHANISM m = { s->shared->work->mechanism, NULL, 0 };
	CK_ULONG n = s->max;

	return did(s, p11->C_SignInit(s->session, &m, s->shared->key), "C_SignInit") &&
	       did(s, p11->C_Sign(s->session, s->data, s->shared->work->data, s->out, &n), "C_Sign");
}

static bool once_verify(void *arg)
{
	struct state *s = arg;
	CK_FUNCTION_LIST *p11 = s->shared->b->p11;
	CK_MECHANISM m = { s->shared->work->mechanism, NULL, 0 };

	return did(s, p11->C_VerifyInit(s->session, &m, s->shared->pub), "C_VerifyInit") &&
	       did(s, p11->C_Verify(s->session, s->shared->data, s->shared->work->data,
			       s->shared->signature, s->shared->signature_len), "C_Verify");
}

static bool once_encrypt(void *arg)
{
	struct state *s = arg;
	CK_FUNCTION_LIST *p11 = s->shared->b->p11;
	CK_BYTE iv[12] = { 1 };
	CK_GCM_PARAMS gcm = { iv, sizeof(iv), 8 * sizeof(iv), NULL, 0, 128 };
	CK_MECHANISM m = { CKM_AES_GCM, &gcm, sizeof(gcm) };
	CK_ULONG n = s->max;

	return did(s, p11->C_EncryptInit(s->session, &m, s->shared->key), "C_EncryptInit") &&
	       did(s, p11->C_Encrypt(s->session, s->data, s->shared->work->data, s->out, &n), "C_Encrypt");
}

static bool once_digest(void *arg)
{
	struct state *s = arg;
	CK_FUNCTION_LIST *p11 = s->shared->b->p11;
	CK_MECHANISM m = { s->shared->work->mechanism, NULL, 0 };
	CK_ULONG n = s->max;

	return did(s, p11->C_DigestInit(s->session, &m), "C_DigestInit") &&
	       did(s, p11->C_Digest(s->session, s->data, s->shared->work->data, s->out, &n), "C_Digest");
}

static bool generate(struct state *s, bool token)
{
	const struct work *w = s->shared->work;
	CK_OBJECT_HANDLE pub, key;
	char label[BENCH_LABEL_MAX];

	bench_label(s->shared->b, w->name, label);
	return did(s, bench_make_key(s->shared->b, s->session, &w->key, label, token, &pub, &key),
		"making a key");
}

static bool once_generate(void *arg)
{
	return generate(arg, true);
}

static bool once_generate_session(void *arg)
{
	return generate(arg, false);
}

static bool once_random(void *arg)
{
	struct state *s = arg;

	return did(s, s->shared->b->p11->C_GenerateRandom(s->session, s->out, s->shared->work->data),
		"C_GenerateRandom");
}

static bool once_nothing(void *arg)
{
	struct state *s = arg;
	CK_SESSION_INFO info;

	return did(s, s->shared->b->p11->C_GetSessionInfo(s->session, &info), "C_GetSessionInfo");
}

static bool once_session(void *arg)
{
	struct state *s = arg;
	CK_SESSION_HANDLE one;

	return bench_session(s->shared->b, &one) &&
	       did(s, s->shared->b->p11->C_CloseSession(one), "C_CloseSession");
}

static const char *kind_of(const struct work *w)
{
	return w->what == FIND ? "object" : "token object";
}

static void label_of(const struct bench *b, const struct work *w, unsigned i, char ret[BENCH_LABEL_MAX])
{
	char what[BENCH_LABEL_MAX];

	(void)snprintf(what, sizeof(what), "%s %u", kind_of(w), i);
	bench_label(b, what, ret);
}

static unsigned draw(struct state *s)
{
	s->turn = s->turn * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((s->turn >> 33) % s->shared->objects);
}

/* once_find looks for one of the objects, each time another one. */
static bool once_find(void *arg)
{
	struct state *s = arg;
	char label[BENCH_LABEL_MAX];

	label_of(s->shared->b, s->shared->work, draw(s), label);
	return bench_find(s->shared->b, s->session, CKA_LABEL, label, CKO_SECRET_KEY) != 0;
}

/* An object's id is what its label is. */
static bool once_find_id(void *arg)
{
	struct state *s = arg;
	char label[BENCH_LABEL_MAX];

	label_of(s->shared->b, s->shared->work, draw(s), label);
	return bench_find(s->shared->b, s->session, CKA_ID, label, CKO_SECRET_KEY) != 0;
}

static struct one_session *take_session(struct shared *sh)
{
	struct one_session *one = NULL;

	do {
		if (one != NULL)
			(void)sched_yield();
		one = &sh->sessions[atomic_fetch_add(&sh->next, 1) % sh->objects];
	} while (atomic_exchange(&one->busy, true));
	return one;
}

/* once_many signs in one of the sessions, in turns. */
static bool once_many(void *arg)
{
	struct state *s = arg, one = *s;
	struct one_session *in = take_session(s->shared);
	bool ok;

	one.session = in->handle;
	ok = once_sign(&one);
	atomic_store(&in->busy, false);
	return ok;
}

static bool begin_anew(struct bench *b)
{
	return said(b->p11->C_Finalize(NULL), "C_Finalize") &&
	       said(bench_initialize(b), "C_Initialize") && bench_session(b, &b->session);
}

/* once_whole is what a program does that comes, perhaps logs in, and goes. */
static bool once_whole(void *arg)
{
	struct shared *sh = ((struct state *)arg)->shared;
	MUTEX_HOLD(&sh->whole);

	return begin_anew(sh->b) && (sh->work->what != LOGIN || bench_login(sh->b));
}

static bool (*const once[])(void *) = {
	[SIGN] = once_sign, [VERIFY] = once_verify, [ENCRYPT] = once_encrypt, [DIGEST] = once_digest,
	[GENERATE] = once_generate, [GENERATE_SESSION] = once_generate_session, [RANDOM] = once_random,
	[NOTHING] = once_nothing, [FIND] = once_find, [FIND_TOKEN] = once_find, [FIND_ID] = once_find_id,
	[SESSION] = once_session, [MANY_SESSIONS] = once_many, [INITIALIZE] = once_whole,
	[LOGIN] = once_whole,
};

/* --- what is there before ---------------------------------------------------------------- */

static bool is_there(struct shared *sh, unsigned i)
{
	char label[BENCH_LABEL_MAX];

	label_of(sh->b, sh->work, i, label);
	return bench_find(sh->b, sh->b->session, CKA_LABEL, label, CKO_SECRET_KEY) != 0;
}

/* how_many are there already, from an earlier run: the first ones, without a gap. */
static unsigned how_many(struct shared *sh)
{
	unsigned low = 0, high = sh->objects;

	if (is_there(sh, high - 1))
		return high;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (is_there(sh, middle))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void *fill(void *arg)
{
	struct shared *sh = arg;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE h;
	char label[BENCH_LABEL_MAX];
	unsigned i;
	bool ok = bench_session(sh->b, &session);

	while (ok && !atomic_load(&sh->failed) && !stop_asked() &&
	       (i = atomic_fetch_add(&sh->next, 1)) < sh->objects) {
		label_of(sh->b, sh->work, i, label);
		ok = said(bench_make_key(sh->b, session, &sh->work->key, label, true, NULL, &h),
			"C_GenerateKey");
	}
	if (!ok)
		atomic_store(&sh->failed, true);
	(void)sh->b->p11->C_CloseSession(session);
	return NULL;
}

/* Durable keys are made by many threads, which share commits; session keys stay as long as
 * the session of who made them. */
static bool fill_token(struct shared *sh)
{
	pthread_t t[FILLERS];
	unsigned n = 0;

	while (n < FILLERS && pthread_create(&t[n], NULL, fill, sh) == 0)
		n++;
	for (unsigned i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	return n > 0 && !atomic_load(&sh->failed) && !stop_asked();
}

static bool fill_session(struct shared *sh)
{
	CK_OBJECT_HANDLE h;
	char label[BENCH_LABEL_MAX];

	for (unsigned i = sh->next; i < sh->objects && !stop_asked(); i++) {
		label_of(sh->b, sh->work, i, label);
		if (!said(bench_make_key(sh->b, sh->b->session, &sh->work->key, label, false, NULL, &h),
			    "C_GenerateKey"))
			return false;
	}
	return !stop_asked();
}

/* have_objects makes keys until there are so many. */
static bool have_objects(struct shared *sh)
{
	unsigned begun;
	bool ok;

	atomic_store(&sh->next, how_many(sh));
	if (sh->work->what == FIND)
		return fill_session(sh);
	ok = fill_token(sh);
	begun = atomic_load(&sh->next);
	if (sh->b->filled < begun)
		sh->b->filled = begun < sh->objects ? begun : sh->objects;
	return ok;
}

static bool have_key(struct shared *sh)
{
	const struct work *w = sh->work;
	char label[BENCH_LABEL_MAX];

	bench_label(sh->b, w->name, label);
	sh->key = bench_find(sh->b, sh->b->session, CKA_LABEL, label,
		w->key.pair ? CKO_PRIVATE_KEY : CKO_SECRET_KEY);
	sh->pub = bench_find(sh->b, sh->b->session, CKA_LABEL, label, CKO_PUBLIC_KEY);
	return sh->key != 0 || said(bench_make_key(sh->b, sh->b->session, &w->key, label, true, &sh->pub,
					    &sh->key), "making a key");
}

static bool have_signature(struct shared *sh)
{
	CK_MECHANISM m = { sh->work->mechanism, NULL, 0 };
	CK_FUNCTION_LIST *p11 = sh->b->p11;

	sh->signature_len = sizeof(sh->signature);
	return said(p11->C_SignInit(sh->b->session, &m, sh->key), "C_SignInit") &&
	       said(p11->C_Sign(sh->b->session, sh->data, sh->work->data, sh->signature,
			    &sh->signature_len), "C_Sign");
}

static bool have_sessions(struct shared *sh)
{
	sh->sessions = hf_alloc(sh->objects, sizeof(*sh->sessions));
	for (unsigned i = 0; sh->sessions != NULL && i < sh->objects; i++)
		if (stop_asked() || !bench_session(sh->b, &sh->sessions[i].handle))
			return false;
	return sh->sessions != NULL;
}

static void end_sessions(struct shared *sh)
{
	for (unsigned i = 0; sh->sessions != NULL && i < sh->objects; i++)
		if (sh->sessions[i].handle != 0)
			(void)sh->b->p11->C_CloseSession(sh->sessions[i].handle);
	hf_free(sh->sessions);
}

static bool prepare(struct shared *sh)
{
	switch (sh->work->what) {
	case FIND:
	case FIND_TOKEN:
	case FIND_ID:
		return have_objects(sh);
	case MANY_SESSIONS:
		return have_key(sh) && have_sessions(sh);
	case VERIFY:
		return have_key(sh) && have_signature(sh);
	case SIGN:
	case ENCRYPT:
		return have_key(sh);
	default:
		return true;
	}
}

static const struct work *work_named(const char *name)
{
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (strcmp(works[i].name, name) == 0)
			return &works[i];
	fprintf(stderr, "holdfast: bench: there is no work '%s', but:", name);
	for (size_t i = 0; bench_name(i) != NULL; i++)
		fprintf(stderr, " %s", bench_name(i));
	fprintf(stderr, "\n");
	return NULL;
}

bool bench_knows(const char *work)
{
	return work_named(work) != NULL;
}

bool bench_work(struct bench *b, const char *work, unsigned threads, double seconds,
	unsigned objects, struct bench_result *ret)
{
	struct shared sh = { .b = b, .work = work_named(work), .objects = objects };

	if (sh.work == NULL)
		return false;
	mutex_init(&sh.whole);
	*ret = (struct bench_result){ 0 };
	if (prepare(&sh))
		*ret = bench_run(&(struct bench_work){ start, once[sh.work->what], stop, &sh, b->wait_fd },
			threads, seconds);
	end_sessions(&sh);
	mutex_done(&sh.whole);
	if (sh.work->what == INITIALIZE && !bench_login(b)) /* for what follows, and to remove keys */
		ret->ok = false;
	if (!ret->ok && !stop_asked())
		fprintf(stderr, "holdfast: bench: %s failed\n", work);
	return ret->ok;
}

void bench_unfill(struct bench *b)
{
	const struct work *w = work_named("find-token");
	char label[BENCH_LABEL_MAX];

	for (unsigned i = 0; i < b->filled; i++) {
		label_of(b, w, i, label);
		while (bench_remove_some(b, label))
			;
	}
}

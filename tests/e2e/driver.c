/* driver MODULE COMMAND [ARGUMENT...]: an ordinary PKCS#11 application in small, for
 * the end-to-end tests. Each command prints what it found; exit code 1 is a failure. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "pkcs11.h"

#define PIN ((CK_UTF8CHAR *)(uintptr_t) "87654321")
#define SO_PIN ((CK_UTF8CHAR *)(uintptr_t) "12345678")
#define PIN_LEN 8

static CK_FUNCTION_LIST *p11;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void must(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: 0x%lx\n", what, rv);
	exit(1);
}

/* first_slot: the slot whose token is (or is not) initialized. */
static CK_SLOT_ID first_slot(bool initialized)
{
	CK_SLOT_ID slots[64];
	CK_ULONG n = 64;
	CK_TOKEN_INFO info;

	must(p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList");
	for (CK_ULONG i = 0; i < n; i++)
		if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
		    ((info.flags & CKF_TOKEN_INITIALIZED) != 0) == initialized)
			return slots[i];
	must(CKR_TOKEN_NOT_PRESENT, "no such slot");
	return 0;
}

static CK_SESSION_HANDLE session(void)
{
	CK_SESSION_HANDLE s;

	must(p11->C_OpenSession(first_slot(true), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s),
		"C_OpenSession");
	return s;
}

static CK_SESSION_HANDLE logged_in(void)
{
	CK_SESSION_HANDLE s = session();

	must(p11->C_Login(s, CKU_USER, PIN, PIN_LEN), "C_Login");
	return s;
}

static CK_OBJECT_HANDLE find(CK_SESSION_HANDLE s, const char *label, CK_OBJECT_CLASS class,
	CK_ULONG *ret_count)
{
	CK_ATTRIBUTE t[] = { { CKA_CLASS, &class, sizeof(class) },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) } };
	CK_OBJECT_HANDLE h[4096] = { 0 };
	CK_ULONG n = 0;

	must(p11->C_FindObjectsInit(s, t, 2), "C_FindObjectsInit");
	must(p11->C_FindObjects(s, h, 4096, &n), "C_FindObjects");
	must(p11->C_FindObjectsFinal(s), "C_FindObjectsFinal");
	*ret_count = n;
	return h[0];
}

static CK_RV make_pair(CK_SESSION_HANDLE s, const char *label, CK_BBOOL *token)
{
	static CK_BYTE p256[] = { 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	CK_MECHANISM m = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE pub[] = { { CKA_EC_PARAMS, p256, sizeof(p256) }, { CKA_TOKEN, token, 1 },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) } };
	CK_ATTRIBUTE priv[] = { { CKA_TOKEN, token, 1 }, { CKA_PRIVATE, &yes, 1 },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) } };
	CK_OBJECT_HANDLE a, b;

	return p11->C_GenerateKeyPair(s, &m, pub, 3, priv, 3, &a, &b);
}

/* --- commands ------------------------------------------------------------- */

/* init: makes a partition with PINs, and a key pair "k". */
static int cmd_init(char **arg)
{
	CK_UTF8CHAR label[32];
	CK_SESSION_HANDLE s;

	memset(label, ' ', sizeof(label));
	memcpy(label, arg[0], strlen(arg[0]));
	must(p11->C_InitToken(first_slot(false), SO_PIN, PIN_LEN, label), "C_InitToken");
	s = session();
	must(p11->C_Login(s, CKU_SO, SO_PIN, PIN_LEN), "C_Login SO");
	must(p11->C_InitPIN(s, PIN, PIN_LEN), "C_InitPIN");
	must(p11->C_Logout(s), "C_Logout");
	must(p11->C_CloseSession(s), "C_CloseSession");
	s = logged_in();
	must(make_pair(s, "k", &yes), "C_GenerateKeyPair");
	return 0;
}

struct load {
	CK_OBJECT_HANDLE key;
	double seconds;
	atomic_ulong done, failed;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static volatile sig_atomic_t enough;

static void interrupted(int sig)
{
	(void)sig;
	enough = 1;
}

static void *sign_thread(void *arg)
{
	struct load *l = arg;
	CK_SESSION_HANDLE s = session();
	double end = now() + l->seconds;

	while (now() < end && !enough) {
		CK_MECHANISM m = { CKM_ECDSA_SHA256, NULL, 0 };
		CK_BYTE data[] = "data", sig[128];
		CK_ULONG n = sizeof(sig);
		CK_RV rv = p11->C_SignInit(s, &m, l->key);

		if (rv == CKR_OK)
			rv = p11->C_Sign(s, data, sizeof(data), sig, &n);
		if (rv == CKR_OK) {
			atomic_fetch_add(&l->done, 1);
		} else {
			atomic_fetch_add(&l->failed, 1);
			fprintf(stderr, "sign: 0x%lx\n", rv);
			usleep(10000);
		}
	}
	p11->C_CloseSession(s);
	return NULL;
}

/* sign SECONDS THREADS: signs without pause, or until SIGINT; every call must succeed. */
static int cmd_sign(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	CK_ULONG n;
	struct load l = { .key = find(s, "k", CKO_PRIVATE_KEY, &n), .seconds = atof(arg[0]) };
	pthread_t t[64];
	int threads = atoi(arg[1]);

	signal(SIGINT, interrupted);
	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, sign_thread, &l);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("%lu signed, %lu failed\n", atomic_load(&l.done), atomic_load(&l.failed));
	return l.failed == 0 && l.done > 0 ? 0 : 1;
}

/* make PREFIX: makes key pairs until it is killed, printing each label once the
 * HSM has acknowledged it. A call that the HSM's death interrupts may fail. */
static int cmd_make(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	char label[64];

	for (int i = 0; i < 1000000; i++) {
		snprintf(label, sizeof(label), "%s-%d", arg[0], i);
		if (make_pair(s, label, &yes) != CKR_OK)
			continue;
		printf("%s\n", label);
		fflush(stdout);
	}
	return 0;
}

/* struct pairs is what the threads of "pairs" share. */
struct pairs {
	const char *prefix;
	unsigned long each; /* 0: until the end */
	CK_SESSION_HANDLE shared;
	atomic_ulong threads;
};

static void *pairs_thread(void *arg)
{
	struct pairs *p = arg;
	unsigned long who = atomic_fetch_add(&p->threads, 1);
	CK_SESSION_HANDLE s = who % 2 == 0 ? p->shared : session();
	char label[64];

	for (unsigned long i = 0; p->each == 0 || i < p->each; i++) {
		CK_RV rv;

		snprintf(label, sizeof(label), "%s-%lu-%lu", p->prefix, who, i);
		rv = make_pair(s, label, &yes);
		if (rv != CKR_OK && p->each != 0)
			must(rv, "C_GenerateKeyPair");
		if (rv != CKR_OK)
			continue;
		printf("%s\n", label);
		fflush(stdout);
	}
	return NULL;
}

/* pairs PREFIX THREADS EACH: many threads make so many durable pairs each, or (0) until they are killed,
 * every other one in a session that those share; prints each label once the HSM has acknowledged it. */
static int cmd_pairs(char **arg)
{
	struct pairs p = { arg[0], strtoul(arg[2], NULL, 10), logged_in(), 0 };
	int threads = atoi(arg[1]);
	pthread_t *t = calloc((size_t)threads, sizeof(*t));

	for (int i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, pairs_thread, &p) != 0)
			must(CKR_HOST_MEMORY, "a thread");
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	free(t);
	return 0;
}

static CK_RV make_aes(CK_SESSION_HANDLE s, const char *label)
{
	CK_MECHANISM m = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_ULONG length = 32;
	CK_ATTRIBUTE t[] = { { CKA_VALUE_LEN, &length, sizeof(length) }, { CKA_TOKEN, &yes, 1 },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) } };
	CK_OBJECT_HANDLE h;

	return p11->C_GenerateKey(s, &m, t, 3, &h);
}

#define LARGE ((CK_ULONG)1 << 20)

/* seal encrypts n bytes with AES-GCM; out has room for 16 more. */
static CK_RV seal(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG n, CK_BYTE *out)
{
	CK_BYTE iv[12] = { 1 };
	CK_GCM_PARAMS gcm = { iv, sizeof(iv), 8 * sizeof(iv), NULL, 0, 128 };
	CK_MECHANISM m = { CKM_AES_GCM, &gcm, sizeof(gcm) };
	CK_ULONG len = n + 16;
	CK_RV rv = p11->C_EncryptInit(s, &m, key);

	return rv == CKR_OK ? p11->C_Encrypt(s, data, n, out, &len) : rv;
}

/* encrypt SECONDS: encrypts a mebibyte without pause, to another place and in place; every result must be
 * the first one. */
static int cmd_encrypt(char **arg)
{
	static CK_BYTE data[LARGE], first[LARGE + 16], out[LARGE + 16];
	CK_SESSION_HANDLE s = logged_in();
	CK_OBJECT_HANDLE key;
	CK_ULONG n, done = 0, failed = 0;
	double end;

	must(make_aes(s, "large"), "C_GenerateKey");
	key = find(s, "large", CKO_SECRET_KEY, &n);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (CK_BYTE)(i * i >> 7);
	must(seal(s, key, data, LARGE, first), "C_Encrypt");
	for (end = now() + atof(arg[0]); now() < end; done++) {
		CK_BYTE *in = done % 2 == 0 ? data : out;

		memset(out, 0, sizeof(out));
		if (in == out)
			memcpy(out, data, sizeof(data));
		if (seal(s, key, in, LARGE, out) != CKR_OK || memcmp(out, first, sizeof(first)) != 0)
			failed++;
	}
	printf("%lu encrypted, %lu failed\n", done, failed);
	return failed == 0 && done > 0 ? 0 : 1;
}

static CK_RV make_rsa(CK_SESSION_HANDLE s, const char *label)
{
	CK_MECHANISM m = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_ULONG bits = 2048;
	CK_ATTRIBUTE pub[] = { { CKA_MODULUS_BITS, &bits, sizeof(bits) }, { CKA_TOKEN, &yes, 1 },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) } };
	CK_ATTRIBUTE priv[] = { { CKA_TOKEN, &yes, 1 },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) } };
	CK_OBJECT_HANDLE a, b;

	return p11->C_GenerateKeyPair(s, &m, pub, 3, priv, 2, &a, &b);
}

/* struct many is what the threads of "many" share; a pair counts twice. */
struct many {
	unsigned long wanted;
	atomic_ulong at;
};

static void *many_thread(void *arg)
{
	struct many *m = arg;
	CK_SESSION_HANDLE s = session();
	unsigned long n;
	char label[32];

	while ((n = atomic_fetch_add(&m->at, 2)) < m->wanted) {
		snprintf(label, sizeof(label), "many%lu", n);
		if (n % 2000 == 0)
			must(make_rsa(s, label), "an RSA pair");
		else if (n % 8 == 0)
			must(make_pair(s, label, &yes), "an EC pair");
		else
			for (int i = 0; i < 2; i++)
				must(make_aes(s, label), "an AES key");
	}
	p11->C_CloseSession(s);
	return NULL;
}

/* many PIN COUNT THREADS: makes so many keys (an even number), AES and some pairs of EC and RSA; what is
 * durable is waited for by many threads together. */
static int cmd_many(char **arg)
{
	CK_SESSION_HANDLE s = session();
	struct many m = { .wanted = strtoul(arg[1], NULL, 10) };
	pthread_t t[64];
	int threads = atoi(arg[2]);

	must(p11->C_Login(s, CKU_USER, (CK_UTF8CHAR *)arg[0], strlen(arg[0])), "C_Login");
	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, many_thread, &m);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("%lu keys\n", m.wanted);
	return 0;
}

/* check: reads labels from standard input; each must be there once, both halves. */
static int cmd_check(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	char label[64];
	int wrong = 0, seen = 0;

	(void)arg;
	while (scanf("%63s", label) == 1) {
		CK_ULONG a, b;

		find(s, label, CKO_PRIVATE_KEY, &a);
		find(s, label, CKO_PUBLIC_KEY, &b);
		seen++;
		if (a != 1 || b != 1) {
			fprintf(stderr, "%s: %lu private, %lu public\n", label, a, b);
			wrong++;
		}
	}
	printf("%d keys, %d wrong\n", seen, wrong);
	return wrong == 0 ? 0 : 1;
}

/* use_pair signs with a private key and verifies with the public one of its label. */
static bool use_pair(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE private_key)
{
	char label[65] = "";
	CK_ATTRIBUTE t = { CKA_LABEL, label, sizeof(label) - 1 };
	CK_MECHANISM m = { CKM_ECDSA_SHA256, NULL, 0 };
	CK_BYTE data[] = "data", sig[128];
	CK_ULONG n = sizeof(sig), found;
	CK_OBJECT_HANDLE public_key;

	must(p11->C_GetAttributeValue(s, private_key, &t, 1), "C_GetAttributeValue");
	label[t.ulValueLen] = '\0';
	public_key = find(s, label, CKO_PUBLIC_KEY, &found);
	return found == 1 && p11->C_SignInit(s, &m, private_key) == CKR_OK &&
		p11->C_Sign(s, data, sizeof(data), sig, &n) == CKR_OK &&
		p11->C_VerifyInit(s, &m, public_key) == CKR_OK &&
		p11->C_Verify(s, data, sizeof(data), sig, n) == CKR_OK;
}

/* use: every key pair signs and verifies; prints how many. */
static int cmd_use(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE t = { CKA_CLASS, &class, sizeof(class) };
	static CK_OBJECT_HANDLE keys[65536];
	CK_ULONG n = 0, bad = 0;

	(void)arg;
	must(p11->C_FindObjectsInit(s, &t, 1), "C_FindObjectsInit");
	must(p11->C_FindObjects(s, keys, sizeof(keys) / sizeof(keys[0]), &n), "C_FindObjects");
	must(p11->C_FindObjectsFinal(s), "C_FindObjectsFinal");
	for (CK_ULONG i = 0; i < n; i++)
		bad += !use_pair(s, keys[i]);
	printf("%lu %lu\n", n, bad);
	return bad == 0 ? 0 : 1;
}

/* sessions N: so many at once, all usable. */
static int cmd_sessions(char **arg)
{
	CK_ULONG n = strtoul(arg[0], NULL, 10);
	CK_SESSION_HANDLE *v = calloc(n, sizeof(*v));
	CK_SESSION_INFO info;

	logged_in();
	for (CK_ULONG i = 0; i < n; i++)
		v[i] = session();
	for (CK_ULONG i = 0; i < n; i++) {
		must(p11->C_GetSessionInfo(v[i], &info), "C_GetSessionInfo");
		if (info.state != CKS_RW_USER_FUNCTIONS)
			must(CKR_GENERAL_ERROR, "session state");
	}
	for (CK_ULONG i = 0; i < n; i++)
		must(p11->C_CloseSession(v[i]), "C_CloseSession");
	printf("%lu sessions\n", n);
	free(v);
	return 0;
}

/* wrong-pin N: so many failed logins; prints the last result. */
static int cmd_wrong_pin(char **arg)
{
	CK_SESSION_HANDLE s = session();
	CK_RV rv = CKR_OK;

	for (int i = 0; i < atoi(arg[0]); i++)
		rv = p11->C_Login(s, CKU_USER, (CK_UTF8CHAR *)(uintptr_t) "00000000", 8);
	printf("0x%lx\n", rv);
	return 0;
}

/* right-pin: prints the result of a login with the right PIN. */
static int cmd_right_pin(char **arg)
{
	(void)arg;
	printf("0x%lx\n", p11->C_Login(session(), CKU_USER, PIN, PIN_LEN));
	return 0;
}

/* multipart: begins a digest, lets the test kill the vault (a line on standard
 * input says go on), and sees one error and then a working digest. */
static int cmd_multipart(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	CK_MECHANISM m = { CKM_SHA256, NULL, 0 };
	CK_BYTE data[100] = { 1 }, out[32];
	CK_ULONG n = sizeof(out);
	CK_RV first, second;

	(void)arg;
	must(p11->C_DigestInit(s, &m), "C_DigestInit");
	must(p11->C_DigestUpdate(s, data, sizeof(data)), "C_DigestUpdate");
	printf("begun\n");
	fflush(stdout);
	getchar();
	first = p11->C_DigestUpdate(s, data, sizeof(data));
	second = p11->C_DigestFinal(s, out, &n);
	must(p11->C_DigestInit(s, &m), "C_DigestInit after the loss");
	n = sizeof(out);
	must(p11->C_Digest(s, data, sizeof(data), out, &n), "C_Digest after the loss");
	printf("0x%lx 0x%lx\n", first, second);
	return first == CKR_DEVICE_ERROR && second == CKR_OPERATION_NOT_INITIALIZED ? 0 : 1;
}

#define SECRET "holdfast-e2e-known-secret-value!"

/* store-secret: brings a known HMAC key; its bytes are in this process. */
static int cmd_store_secret(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	char value[] = SECRET;
	CK_ATTRIBUTE t[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_VALUE, value, 32 }, { CKA_TOKEN, &yes, 1 }, { CKA_SENSITIVE, &yes, 1 },
		{ CKA_EXTRACTABLE, &no, 1 }, { CKA_SIGN, &yes, 1 },
		{ CKA_LABEL, (void *)(uintptr_t) "h", 1 } };
	CK_OBJECT_HANDLE h;

	(void)arg;
	must(p11->C_CreateObject(s, t, 8, &h), "C_CreateObject");
	return 0;
}

/* use-secret: MACs with it, says its process id, and goes on until told to end. */
static int cmd_use_secret(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	CK_MECHANISM m = { CKM_SHA256_HMAC, NULL, 0 };
	CK_ULONG n;
	CK_OBJECT_HANDLE h = find(s, "h", CKO_SECRET_KEY, &n);
	CK_BYTE mac[32], data[] = "data";
	CK_ATTRIBUTE value = { CKA_VALUE, mac, sizeof(mac) };
	fd_set in;
	struct timeval t;

	(void)arg;
	printf("%d\n", (int)getpid());
	fflush(stdout);
	do {
		n = sizeof(mac);
		must(p11->C_SignInit(s, &m, h), "C_SignInit");
		must(p11->C_Sign(s, data, sizeof(data), mac, &n), "C_Sign");
		FD_ZERO(&in);
		FD_SET(0, &in);
		t = (struct timeval){ 0, 1000 };
	} while (select(1, &in, NULL, NULL, &t) == 0);
	if (p11->C_GetAttributeValue(s, h, &value, 1) != CKR_ATTRIBUTE_SENSITIVE)
		must(CKR_GENERAL_ERROR, "the value must be sensitive");
	return 0;
}

/* fork: the child initializes anew while the parent goes on. */
static int cmd_fork(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	int status;
	pid_t pid = fork();
	CK_SESSION_INFO info;

	(void)arg;
	if (pid == 0) {
		if (p11->C_GetSessionInfo(s, &info) != CKR_CRYPTOKI_NOT_INITIALIZED)
			_exit(2);
		must(p11->C_Initialize(NULL), "C_Initialize in the child");
		s = logged_in();
		must(p11->C_Finalize(NULL), "C_Finalize in the child");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	must(p11->C_GetSessionInfo(s, &info), "the parent's session");
	if (info.state != CKS_RW_USER_FUNCTIONS)
		must(CKR_GENERAL_ERROR, "the parent's login");
	printf("child %d\n", WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* closed FILE: as a daemon that starts does, closes all descriptors that it did not open itself; their
 * numbers become FILE's. Sessions and login go on, and nothing is written there. */
static int cmd_closed(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	struct load l = { .seconds = 0.1 };
	CK_ULONG n;
	struct stat st;

	l.key = find(s, "k", CKO_PRIVATE_KEY, &n);
	for (int round = 0; round < 5; round++) {
		sign_thread(&l);
		close_range(3, ~0u, 0);
		while (open(arg[0], O_RDWR | O_CREAT | O_APPEND, 0600) < 20)
			;
		sleep(round == 2 ? 1 : 0); /* the vault watches no more */
	}
	must(p11->C_CloseSession(s), "C_CloseSession");
	must(p11->C_Finalize(NULL), "C_Finalize");
	must(p11->C_Initialize(NULL), "C_Initialize");
	for (int fd = 3; fd <= 20; fd++)
		if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != 0)
			must(CKR_GENERAL_ERROR, "the application's files as they were");
	return l.failed == 0 && l.done > 0 ? 0 : 1;
}

/* full: has no descriptor to spare but for one connection; sessions and their objects stay all the same. */
static int cmd_full(char **arg)
{
	CK_BBOOL token = CK_FALSE;
	struct load l = { .seconds = 0.1 };
	CK_SESSION_HANDLE s;
	CK_ULONG n;
	int last = -1, fd;

	(void)arg;
	(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 40, 40 });
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	close(last);
	s = logged_in();
	must(make_pair(s, "of the session", &token), "C_GenerateKeyPair");
	l.key = find(s, "of the session", CKO_PRIVATE_KEY, &n);
	if (n != 1)
		must(CKR_GENERAL_ERROR, "the session's key");
	sign_thread(&l);
	return l.failed == 0 && l.done > 0 ? 0 : 1;
}

/* fill: stores data objects until the HSM refuses; prints how many and the error.
 * What was there before must still work. */
static int cmd_fill(char **arg)
{
	CK_SESSION_HANDLE s = logged_in();
	static CK_BYTE value[60000];
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE t[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_TOKEN, &yes, 1 },
		{ CKA_LABEL, (void *)(uintptr_t) "filler", 6 }, { CKA_VALUE, value, sizeof(value) } };
	CK_OBJECT_HANDLE h;
	CK_RV rv;
	CK_ULONG n = 0, there;
	struct load l = { .seconds = 0.2 };

	(void)arg;
	while ((rv = p11->C_CreateObject(s, t, 4, &h)) == CKR_OK && n < 4000)
		n++;
	find(s, "filler", CKO_DATA, &there);
	l.key = find(s, "k", CKO_PRIVATE_KEY, &n);
	sign_thread(&l);
	printf("0x%lx, %lu objects, %lu signed, %lu failed\n", rv, there, atomic_load(&l.done),
		atomic_load(&l.failed));
	return rv == CKR_DEVICE_ERROR && l.failed == 0 && l.done > 0 ? 0 : 1;
}

/* info: loads, initializes, finalizes; for many starters at once. */
static int cmd_info(char **arg)
{
	CK_ULONG n = 0;

	(void)arg;
	must(p11->C_GetSlotList(CK_TRUE, NULL, &n), "C_GetSlotList");
	printf("%lu slots\n", n);
	return n > 0 ? 0 : 1;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{ "init", 1, cmd_init }, { "sign", 2, cmd_sign }, { "encrypt", 1, cmd_encrypt },
	{ "make", 1, cmd_make }, { "pairs", 3, cmd_pairs }, { "many", 3, cmd_many },
	{ "use", 0, cmd_use },
	{ "check", 0, cmd_check }, { "sessions", 1, cmd_sessions }, { "wrong-pin", 1, cmd_wrong_pin },
	{ "right-pin", 0, cmd_right_pin }, { "multipart", 0, cmd_multipart },
	{ "store-secret", 0, cmd_store_secret }, { "use-secret", 0, cmd_use_secret },
	{ "fork", 0, cmd_fork },
	{ "closed", 1, cmd_closed }, { "full", 0, cmd_full },
	{ "fill", 0, cmd_fill }, { "info", 0, cmd_info },
};

static void load(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW);
	CK_RV (*get)(CK_FUNCTION_LIST **) = NULL;

	if (lib != NULL)
		*(void **)&get = dlsym(lib, "C_GetFunctionList");
	if (get == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	must(get(&p11), "C_GetFunctionList");
	must(p11->C_Initialize(NULL), "C_Initialize");
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[2]) == 0 && argc == 3 + commands[i].args) {
			int code;

			load(argv[1]);
			code = commands[i].run(argv + 3);
			p11->C_Finalize(NULL);
			return code;
		}
	fprintf(stderr, "usage: driver MODULE COMMAND [ARGUMENT...]\n");
	return 2;
}

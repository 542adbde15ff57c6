/* Clients that write into shared memory what and when they please, that die holding a channel, and
 * one processor for all: the server itself, in this process, and a client that has to get right
 * answers all the time. `rounds` as argument: more of it. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "calls_codec.h"
#include "channel.h"
#include "pkcs11_numbers.h"
#include "scratch.h"
#include "serve.h"
#include "tmpl.h"

/* As src/wire/channel.c lays it out. */
#define STATE 0
#define LENGTH 4
#define REQUEST_AT 8
#define ANSWER_AT 12
#define READY_AT 28
#define READY 32
#define MISSING 4032
#define ASKED 1u
#define ANSWERED 2u
#define WORDS 64
#define SHORT_REQUEST WORDS
#define SHORT 1984
#define SHORT_ANSWER (SHORT_REQUEST + SHORT)
#define REQUEST 4096
#define ANSWER (REQUEST + 2 * (CHANNEL_ROOM + 4096))
#define PATIENCE_US 200

static unsigned rounds = 100;

struct fixture {
	struct scratch dir;
	struct box box;
	uint64_t slot;
	int listen;
	struct server *server; /* lives as long as the process, */
};

static struct server *servers[9]; /* and is no leak */
static size_t server_count;

static struct sockaddr_un address(const struct scratch *d)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/sock", d->path);

	assert_true(n > 0 && (size_t)n < sizeof(a.sun_path));
	return a;
}

static int listener(const struct scratch *d)
{
	struct sockaddr_un a = address(d);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(chmod(a.sun_path, 0666), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

/* owner: of the partition, and who the clients are: root's may zeroize the HSM by chance. */
static uid_t owner(void)
{
	return getuid() == 0 ? OWNER : getuid();
}

/* be changes what the kernel tells of this thread, not of the process, when it connects. */
static void be(uid_t uid)
{
	assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);
}

static uint64_t new_partition(struct box *b)
{
	struct slot_list_req q = { 0 };
	struct slot_list_res r = { 0 };
	uint64_t slot = 0;
	struct who w;

	who_comes(&w, b, owner(), 9);
	assert_int_equal(do_slot_list(&w, &q, &r), HF_OK);
	for (size_t i = 0; i < r.slots.n; i++)
		slot = r.slots.v[i].id;
	assert_int_equal(init(&w, slot, SO_PIN), HF_OK);
	who_leaves(&w);
	return slot;
}

static int setup(void **state)
{
	struct fixture *f = hf_alloc(1, sizeof(*f));
	struct config c;

	config_default(&c);
	scratch_new(&f->dir);
	assert_int_equal(chmod(f->dir.path, 0711), 0);
	box_new(&f->box);
	f->slot = new_partition(&f->box);
	f->listen = listener(&f->dir);
	assert_int_equal(serve_start(f->box.hsm, f->listen, &c, &f->server), HF_OK);
	servers[server_count++] = f->server;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_true(serve_stop(f->server));
	close(f->listen);
	box_free(&f->box);
	scratch_free(&f->dir);
	hf_free(f);
	return 0;
}

/* --- an honest client ---------------------------------------------------------- */

struct honest {
	struct fixture *f;
	struct transport *t;
	uint64_t request, session;
	struct buf in;
	_Atomic bool enough, wrong;
	_Atomic unsigned done;
};

static enum hf_err call(struct honest *h, uint16_t op, struct slice fields)
{
	struct wire_head head = { .opcode = op, .request = ++h->request, .session = h->session };
	bool sent;

	TRY(transport_call(h->t, &head, fields, &h->in, &sent));
	return err_from_wire(head.flags);
}

static struct slice hello(struct buf *b, uint8_t app)
{
	uint8_t id[32];
	struct hello_req q = { .version = WIRE_VERSION, .app = SLICE_OF(id), .program = SLICE_STR("test") };

	memset(id, app, sizeof(id));
	buf_reset(b);
	hello_req_enc(b, &q);
	return buf_slice(b);
}

static void honest_comes(struct honest *h, struct fixture *f)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	struct session_open_req so = { .slot = f->slot };
	struct rd r;

	*h = (struct honest){ .f = f, .in = BUF_MAX(WIRE_MAX_BYTES) };
	be(owner());
	assert_int_equal(transport_unix(f->dir.path, "sock", 2000, &h->t), HF_OK);
	be(getuid());
	assert_int_equal(call(h, CALLS_HELLO, hello(&b, 1)), HF_OK);
	assert_int_equal(transport_unix_share(h->t, ++h->request), HF_OK);
	buf_reset(&b);
	session_open_req_enc(&b, &so);
	assert_int_equal(call(h, CALLS_SESSION_OPEN, buf_slice(&b)), HF_OK);
	r = rd_of(buf_slice(&h->in));
	assert_true(rd_u64(&r, &h->session));
}

static void honest_leaves(struct honest *h)
{
	h->t->ops->close(h->t);
	buf_done(&h->in);
}

/* digests_abc: a request with an answer that is known. */
static bool digests_abc(struct honest *h)
{
	static const uint8_t answer[] = {
		0, 0, 0, 32, 0, 0, 0, 32,
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde,
		0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
		0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
	};
	CLEANUP(buf_done) struct buf b = BUF_MAX(256);

	buf_u32(&b, CKM_SHA256);
	buf_u32(&b, 0);
	if (call(h, CALLS_DIGEST_INIT, buf_slice(&b)) != HF_OK)
		return false;
	buf_reset(&b);
	buf_bytes(&b, SLICE_STR("abc"));
	buf_u32(&b, 64);
	return call(h, CALLS_DIGEST, buf_slice(&b)) == HF_OK &&
		slice_eq(buf_slice(&h->in), SLICE_OF(answer));
}

static void *honest_works(void *arg)
{
	struct honest *h = arg;

	while (!atomic_load(&h->enough) && !atomic_load(&h->wrong)) {
		if (digests_abc(h))
			atomic_fetch_add(&h->done, 1);
		else
			atomic_store(&h->wrong, true);
	}
	return NULL;
}

static void honest_does(struct honest *h, unsigned calls)
{
	while (atomic_load(&h->done) < calls && !atomic_load(&h->wrong))
		(void)usleep(100);
	assert_false(atomic_load(&h->wrong));
}

/* --- a hostile one -------------------------------------------------------------- */

struct hostile {
	int fd;
	uint8_t *at;
	size_t size;
	uint64_t session, key;
	_Atomic bool enough;
	bool data_only; /* is changed */
};

static int receive_fd(int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	uint8_t head[WIRE_HEAD];
	struct iovec v = { head, sizeof(head) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	int got;

	assert_int_equal(recvmsg(fd, &m, MSG_WAITALL), WIRE_HEAD);
	assert_int_equal(m.msg_controllen, sizeof(control));
	memcpy(&got, CMSG_DATA(&control.align), sizeof(got));
	return got;
}

static void frame(const struct hostile *x, uint16_t op, struct slice fields, struct buf *in)
{
	struct wire_head head = { .opcode = op, .request = 1, .session = x->session }, got;

	assert_int_equal(wire_send(x->fd, &head, fields), HF_OK);
	if (in != NULL)
		assert_int_equal(wire_recv(x->fd, WIRE_MAX_BYTES, &got, in), HF_OK);
}

static void makes_key(struct hostile *x, struct buf *b, struct buf *in)
{
	struct object_create_req q = { .attrs = TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), AES_16,
		B(TOKEN, 0), B(PRIVATE, 0), B(SENSITIVE, 0), B(ENCRYPT, 1)) };
	struct rd r;

	buf_reset(b);
	object_create_req_enc(b, &q);
	frame(x, CALLS_OBJECT_CREATE, buf_slice(b), in);
	r = rd_of(buf_slice(in));
	assert_true(rd_u64(&r, &x->key));
}

static void hostile_comes(struct hostile *x, struct fixture *f)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096), in = BUF_MAX(WIRE_MAX_BYTES);
	struct session_open_req so = { .slot = f->slot };
	struct sockaddr_un a = address(&f->dir);
	struct stat st;
	struct rd r;
	int shared;

	*x = (struct hostile){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	be(owner());
	assert_int_equal(connect(x->fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	be(getuid());
	frame(x, CALLS_HELLO, hello(&b, 2), &in);
	buf_reset(&b);
	session_open_req_enc(&b, &so);
	frame(x, CALLS_SESSION_OPEN, buf_slice(&b), &in);
	r = rd_of(buf_slice(&in));
	assert_true(rd_u64(&r, &x->session));
	makes_key(x, &b, &in);
	frame(&(struct hostile){ .fd = x->fd, .session = CHANNEL_LAYOUT }, WIRE_OP_CHANNEL, SLICE_NONE, NULL);
	shared = receive_fd(x->fd);
	assert_int_equal(fstat(shared, &st), 0);
	x->size = (size_t)st.st_size;
	x->at = mmap(NULL, x->size, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
	assert_ptr_not_equal(x->at, MAP_FAILED);
	close(shared);
}

static void hostile_leaves(struct hostile *x)
{
	close(x->fd);
	munmap(x->at, x->size);
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* place: where a change hurts most: words of the first page, head, first fields, or anywhere. */
static size_t place(const struct hostile *x, uint64_t n)
{
	static const size_t from[] = { STATE, MISSING, SHORT_REQUEST, SHORT_REQUEST + WIRE_HEAD, REQUEST,
		REQUEST + WIRE_HEAD, 0 };
	const size_t size[] = { WORDS, 4, WIRE_HEAD, 128, WIRE_HEAD, 128, x->size };
	size_t i = n % (sizeof(from) / sizeof(from[0]));

	if (x->data_only)
		return (n % 2 == 0 ? REQUEST + 4096 + 512 : ANSWER) + (size_t)(n >> 8) % 3400;
	return from[i] + (size_t)(n >> 8) % size[i];
}

static uint32_t word(const struct hostile *x, size_t at)
{
	return atomic_load((_Atomic uint32_t *)(void *)(x->at + at));
}

static void *hostile_mutates(void *arg)
{
	struct hostile *x = arg;
	uint64_t seed = 88172645463325252u;

	while (!atomic_load(&x->enough)) {
		uint64_t n = next(&seed);
		volatile uint8_t *p = x->at + place(x, n);

		*p = (n >> 40) % 4 == 0 ? (uint8_t)(n >> 48) : (uint8_t)((n >> 48) % 5);
		if ((n >> 32) % 64 == 0)
			(void)sched_yield();
	}
	return NULL;
}

/* leaves: a long request at its place in the area, a short one there, too, or where it belongs. */
static void leaves(struct hostile *x, const struct request *q, size_t at)
{
	size_t ahead = q->ahead == NULL ? 0 : WIRE_HEAD + request_size(q->ahead);
	size_t n = ahead + WIRE_HEAD + request_size(q);
	size_t place = n <= SHORT && at == 0 ? SHORT_REQUEST : REQUEST + at;

	if (q->ahead != NULL)
		request_put(q->ahead, x->at + place);
	request_put(q, x->at + place + ahead);
	atomic_store((_Atomic uint32_t *)(void *)(x->at + REQUEST_AT), (uint32_t)place);
	atomic_store((_Atomic uint32_t *)(void *)(x->at + LENGTH), (uint32_t)n);
	atomic_store((_Atomic uint32_t *)(void *)(x->at + STATE), ASKED);
}

/* As spec/params encodes it: iv, its bits, additional data, bits of the tag. */
static const uint8_t gcm[] = { 0, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0, 96,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128 };

/* asks leaves a request that would be served, if nobody changed it. */
static void asks(struct hostile *x, uint64_t n)
{
	static const uint16_t ops[] = { CALLS_RANDOM, CALLS_DIGEST_INIT, CALLS_DIGEST, CALLS_SESSION_INFO,
		CALLS_DIGEST_UPDATE, CALLS_FIND, CALLS_PING, WIRE_OP_CHANNEL, CALLS_OBJECT_CREATE };
	CLEANUP(buf_done) struct buf b = BUF_MAX(CHANNEL_ROOM);
	struct request q = {
		.head = {
			.opcode = ops[n % (sizeof(ops) / sizeof(ops[0]))],
			.flags = n >> 16 & 3,
			.request = n,
			.session = x->session,
		},
	};
	size_t data = n % 7 == 0 ? 1u << 20 : n % 300;

	buf_u32(&b, q.head.opcode == CALLS_DIGEST_INIT ? CKM_SHA256 : (uint32_t)data);
	if (q.head.opcode != CALLS_RANDOM)
		(void)buf_add(&b, data);
	buf_u32(&b, 64);
	q.fields = buf_slice(&b);
	leaves(x, &q, n >> 8 & 4096);
}

/* Data are encrypted in sight, or copied first: CCM. */
static void puts_mechanism(struct buf *m, uint64_t n, size_t data)
{
	static const uint8_t nonce[12];
	CLEANUP(buf_done) struct buf ccm = BUF_MAX(64);

	if (n % 5 == 0) {
		buf_u32(m, CKM_AES_ECB);
		buf_bytes(m, SLICE_NONE);
	} else if (n % 7 == 0) {
		buf_u64(&ccm, data);
		buf_bytes(&ccm, SLICE_OF(nonce));
		buf_bytes(&ccm, SLICE_NONE);
		buf_u64(&ccm, 16);
		buf_u32(m, CKM_AES_CCM);
		buf_bytes(m, buf_slice(&ccm));
	} else {
		buf_u32(m, CKM_AES_GCM);
		buf_bytes(m, SLICE_OF(gcm));
	}
}

/* encrypts_with leaves a request whose data stay where they are while they are encrypted. */
static void encrypts_with(struct hostile *x, uint64_t n, bool ahead)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(CHANNEL_ROOM), m = BUF_MAX(256);
	struct request init = { .head = { 0, CALLS_ENCRYPT_INIT, WIRE_FLAG_QUIET, 0, x->session } };
	struct request q = { .head = { 0, CALLS_ENCRYPT, n >> 20 & 1, n, x->session } };
	size_t data = 8000 + (n % 3 == 0 ? 1000000 : n % 9000);

	puts_mechanism(&m, n, data);
	buf_u64(&m, x->key);
	buf_u32(&b, n % 11 == 0 ? UINT32_MAX : (uint32_t)data);
	memset(buf_add(&b, data), 'p', data);
	buf_u32(&b, UINT32_MAX - 1);
	init.fields = buf_slice(&m);
	q.fields = buf_slice(&b);
	q.ahead = ahead ? &init : NULL;
	leaves(x, &q, n % 2 * 4096);
}

static void encrypts(struct hostile *x, uint64_t n)
{
	encrypts_with(x, n, n % 4 != 0);
}

/* ring: false: the vault has hung up. What it sends is thrown away. */
static bool ring(struct hostile *x)
{
	struct wire_head h = { .opcode = WIRE_OP_RING };
	uint8_t away[4096];
	ssize_t n;

	if (wire_send(x->fd, &h, SLICE_NONE) != HF_OK)
		return false;
	while ((n = recv(x->fd, away, sizeof(away), MSG_DONTWAIT)) > 0)
		;
	return n < 0;
}

static void one_that_changes_it_all(struct fixture *f, uint64_t seed)
{
	struct hostile x;
	pthread_t t;

	hostile_comes(&x, f);
	assert_int_equal(pthread_create(&t, NULL, hostile_mutates, &x), 0);
	for (unsigned i = 0; i < 64; i++) {
		if (i % 2 == 0)
			asks(&x, next(&seed));
		else
			encrypts(&x, next(&seed));
		if (!ring(&x))
			break;
		(void)usleep(PATIENCE_US);
	}
	atomic_store(&x.enough, true);
	assert_int_equal(pthread_join(t, NULL), 0);
	hostile_leaves(&x);
}

static void one_that_changes_its_data(struct fixture *f, uint64_t seed)
{
	struct hostile x;
	pthread_t t;

	hostile_comes(&x, f);
	x.data_only = true;
	assert_int_equal(pthread_create(&t, NULL, hostile_mutates, &x), 0);
	for (unsigned i = 0; i < 8; i++) {
		encrypts(&x, next(&seed));
		assert_true(ring(&x));
		while (word(&x, STATE) == ASKED)
			(void)sched_yield();
	}
	atomic_store(&x.enough, true);
	assert_int_equal(pthread_join(t, NULL), 0);
	hostile_leaves(&x);
}

static void honest_is_served_meanwhile(struct fixture *f, void (*meanwhile)(struct fixture *f, uint64_t i))
{
	struct honest h;
	pthread_t t;

	honest_comes(&h, f);
	assert_int_equal(pthread_create(&t, NULL, honest_works, &h), 0);
	for (uint64_t i = 1; i <= rounds; i++) {
		unsigned done = atomic_load(&h.done);

		meanwhile(f, i * 0x9e3779b97f4a7c15u);
		honest_does(&h, done + 1);
	}
	atomic_store(&h.enough, true);
	assert_int_equal(pthread_join(t, NULL), 0);
	honest_leaves(&h);
	while (hsm_connections(f->box.hsm) > 0) /* those that died, too */
		(void)usleep(1000);
}

static void who_changes_what_is_being_read_harms_nobody(void **state)
{
	honest_is_served_meanwhile(*state, one_that_changes_it_all);
}

static void who_changes_what_is_encrypted_harms_nobody(void **state)
{
	honest_is_served_meanwhile(*state, one_that_changes_its_data);
}

static void one_that_dies(struct fixture *f, uint64_t n)
{
	struct hostile x;

	hostile_comes(&x, f);
	asks(&x, n);
	if (n % 2 != 0)
		(void)ring(&x);
	hostile_leaves(&x);
}

static void who_dies_holding_a_channel_is_forgotten(void **state)
{
	honest_is_served_meanwhile(*state, one_that_dies);
}

/* answered: the answer to the request that x has left. */
static const uint8_t *answered(struct hostile *x, struct wire_head *ret)
{
	const uint8_t *p;

	assert_true(ring(x));
	while (word(x, STATE) != ANSWERED)
		(void)usleep(100);
	assert_true(word(x, ANSWER_AT) >= SHORT_ANSWER);
	p = x->at + word(x, ANSWER_AT);
	assert_int_equal(wire_head_get(p, CHANNEL_ROOM, ret), HF_OK);
	return p;
}

/* As the hostile ones ask for it, so that theirs come so far, too. */
static void large_data_are_encrypted(void **state)
{
	struct wire_head h;
	struct hostile x;
	uint64_t n = 1; /* GCM, its _init ahead, no repetition */
	size_t data = 8000 + n % 9000;
	const uint8_t *p;

	hostile_comes(&x, *state);
	encrypts(&x, n);
	p = answered(&x, &h);
	assert_int_equal(h.flags, HF_OK);
	assert_int_equal(h.request, n);
	assert_int_equal(h.length, 8 + data + 16);
	assert_int_equal(get_u32(p + WIRE_HEAD), data + 16);
	hostile_leaves(&x);
}

static void long_ciphertext_is_ready_before_the_answer(void **state)
{
	struct wire_head h;
	struct hostile x;

	hostile_comes(&x, *state);
	encrypts(&x, 3); /* GCM of 1,008,000 bytes */
	(void)answered(&x, &h);
	assert_int_equal(h.flags, HF_OK);
	assert_in_range(word(&x, READY), 500000, 1008000);
	assert_int_equal(word(&x, READY_AT), word(&x, ANSWER_AT) + WIRE_HEAD + 8);
	hostile_leaves(&x);
}

/* Whoever says that data are on their way and leaves none gets his answer all the same, and the
 * operation is as it was. */
static void data_that_do_not_come_hold_nobody(void **state)
{
	static const uint64_t numbers[] = { 3, 15, 21 }; /* GCM, ECB, CCM */
	_Atomic uint32_t *missing;
	struct wire_head h;
	struct hostile x;

	hostile_comes(&x, *state);
	missing = (_Atomic uint32_t *)(void *)(x.at + MISSING);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		atomic_store(missing, 500000);
		encrypts(&x, numbers[i]);
		(void)answered(&x, &h);
		assert_int_equal(h.flags, HF_E_DATA_LATE);
		atomic_store(missing, 0);
		encrypts_with(&x, numbers[i], false);
		(void)answered(&x, &h);
		assert_int_equal(h.flags, HF_OK);
	}
	hostile_leaves(&x);
}

/* A request that is copied, and whose data do not come, lies there until they do; others are served. */
static void requests_without_their_data_hold_nobody(void **state)
{
	const uint64_t digests = 56; /* of a mebibyte, never begun */
	struct hostile x[4];
	struct wire_head h;
	struct honest good;
	pthread_t t;

	honest_comes(&good, *state);
	for (size_t i = 0; i < 4; i++) {
		hostile_comes(&x[i], *state);
		atomic_store((_Atomic uint32_t *)(void *)(x[i].at + MISSING), 500000);
		asks(&x[i], digests);
		assert_true(ring(&x[i]));
	}
	assert_int_equal(pthread_create(&t, NULL, honest_works, &good), 0);
	honest_does(&good, 20);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(word(&x[i], STATE), ASKED);
		atomic_store((_Atomic uint32_t *)(void *)(x[i].at + MISSING), 0);
		(void)answered(&x[i], &h);
		assert_int_equal(h.flags, HF_E_OP_NONE);
		hostile_leaves(&x[i]);
	}
	atomic_store(&good.enough, true);
	assert_int_equal(pthread_join(t, NULL), 0);
	honest_leaves(&good);
}

/* decrypts asks for the decryption of what was encrypted last, as it is or altered. */
static void decrypts(struct hostile *x, const uint8_t *sealed, size_t n, bool altered)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(CHANNEL_ROOM), m = BUF_MAX(256);
	struct request init = { .head = { 0, CALLS_DECRYPT_INIT, WIRE_FLAG_QUIET, 0, x->session } };
	struct request q = { .head = { 0, CALLS_DECRYPT, 0, 7, x->session }, .ahead = &init };

	buf_u32(&m, CKM_AES_GCM);
	buf_bytes(&m, SLICE_OF(gcm));
	buf_u64(&m, x->key);
	buf_bytes(&b, (struct slice){ sealed, n });
	buf_u32(&b, UINT32_MAX - 1);
	b.p[sizeof(uint32_t) + n - 1] ^= altered ? 1 : 0;
	init.fields = buf_slice(&m);
	q.fields = buf_slice(&b);
	leaves(x, &q, 0);
}

static bool shows_plaintext(const struct hostile *x)
{
	static const uint8_t some[] = "pppppppppppppppp";

	return memmem(x->at + ANSWER, x->size - ANSWER, some, 16) != NULL;
}

static void plaintext_is_not_seen_until_it_is_verified(void **state)
{
	const size_t n = 1008000 + 16;
	struct wire_head h;
	struct hostile x;
	const uint8_t *p;

	hostile_comes(&x, *state);
	for (unsigned verified = 0; verified < 2; verified++) {
		encrypts(&x, 3);
		p = answered(&x, &h);
		assert_int_equal(h.flags, HF_OK);
		atomic_store((_Atomic uint32_t *)(void *)(x.at + READY), 0);
		decrypts(&x, p + WIRE_HEAD + 8, n, verified == 0);
		(void)answered(&x, &h);
		assert_int_equal(h.flags, verified ? HF_OK : HF_E_AEAD);
		assert_int_equal(word(&x, READY), verified ? n - 16 : 0);
		assert_int_equal(shows_plaintext(&x), verified);
	}
	hostile_leaves(&x);
}

/* --- one processor ------------------------------------------------------------------ */

static cpu_set_t before;

static int setup_on_one(void **state)
{
	cpu_set_t one;
	size_t cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	return setup(state);
}

static int teardown_on_one(void **state)
{
	int r = teardown(state);

	(void)sched_setaffinity(0, sizeof(before), &before);
	return r;
}

static void one_processor_is_enough(void **state)
{
	struct honest h[4];
	pthread_t t[4];

	for (unsigned i = 0; i < 4; i++) {
		honest_comes(&h[i], *state);
		assert_int_equal(pthread_create(&t[i], NULL, honest_works, &h[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		honest_does(&h[i], rounds);
	for (unsigned i = 0; i < 4; i++) {
		atomic_store(&h[i].enough, true);
		assert_int_equal(pthread_join(t[i], NULL), 0);
		honest_leaves(&h[i]);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_changes_what_is_being_read_harms_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(who_changes_what_is_encrypted_harms_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(large_data_are_encrypted, setup, teardown),
		cmocka_unit_test_setup_teardown(long_ciphertext_is_ready_before_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(data_that_do_not_come_hold_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_without_their_data_hold_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(plaintext_is_not_seen_until_it_is_verified, setup, teardown),
		cmocka_unit_test_setup_teardown(who_dies_holding_a_channel_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(one_processor_is_enough, setup_on_one, teardown_on_one),
	};

	if (argc > 1)
		rounds = (unsigned)strtoul(argv[1], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

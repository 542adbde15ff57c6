#include "auditpack.h"

#include <libdeflate.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "secret.h"

#define PIECE (64u << 10) /* bytes: stays in the nearer caches, and takes a fraction of a millisecond */
#define LEVEL 1           /* of libdeflate's: a record is half hashes and numbers */
#define FEW 16            /* segments that may wait */
#define ROOM (1ull << 30) /* bytes free on the disk, below which none may */
#define FAST (1u << 20)   /* bytes: so much in a second is fast */
#define LOOK_NS 1000000000u
#define REST_NS 1000000       /* after a piece */
#define SHORT_REST_NS 150000  /* when many wait: no one else loses more than a piece's time at once */
#define LONG_REST_NS 100000000

static bool gently;
static atomic_long waiting;
static _Atomic uint64_t written;

void auditpack_gently(bool yes)
{
	gently = yes;
}

void auditpack_waiting(long n)
{
	atomic_store(&waiting, n);
}

void auditpack_more(long n)
{
	atomic_fetch_add(&waiting, n);
}

void auditpack_grew(size_t n)
{
	atomic_fetch_add_explicit(&written, n, memory_order_relaxed);
}

/* Some file systems count nothing, and say that they have no blocks at all. */
static bool is_urgent(int to)
{
	struct statvfs s;

	return atomic_load(&waiting) > FEW ||
		(fstatvfs(to, &s) == 0 && s.f_blocks > 0 && s.f_bavail * s.f_frsize < ROOM);
}

/* grows_fast: what is not known for want of a look in the last second may be fast. */
static bool grows_fast(void)
{
	static uint64_t looked_ns, then;
	static bool fast;
	uint64_t now = clock_mono_ns(), since = now - looked_ns, bytes = atomic_load(&written);

	if (since >= LOOK_NS) {
		fast = since >= 2 * (uint64_t)LOOK_NS || bytes - then > FAST;
		then = bytes;
		looked_ns = now;
	}
	return fast;
}

static void sleep_ns(long ns)
{
	const struct timespec t = { 0, ns };

	(void)nanosleep(&t, NULL);
}

static void rest(int to)
{
	if (!gently)
		return;
	while (!is_urgent(to)) {
		if (!grows_fast()) {
			sleep_ns(REST_NS);
			return;
		}
		sleep_ns(LONG_REST_NS);
	}
	sleep_ns(SHORT_REST_NS);
}

/* read_piece: fewer bytes than PIECE only at the end; -1: an error. */
static ssize_t read_piece(int fd, uint8_t *p)
{
	size_t n = 0;
	ssize_t got = 1;

	while (n < PIECE && (got = read(fd, p + n, PIECE - n)) > 0)
		n += (size_t)got;
	return got >= 0 ? (ssize_t)n : -1;
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	ssize_t put = 1;

	for (; n > 0 && (put = write(fd, p, n)) > 0; p += put)
		n -= (size_t)put;
	return n == 0;
}

/* Each piece is a gzip member of its own, which one file may have many of (RFC 1952, 2.2). */
bool auditpack(int from, int to)
{
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(LEVEL);
	size_t room = z != NULL ? libdeflate_gzip_compress_bound(z, PIECE) : 1, packed = 1;
	uint8_t *piece = hf_alloc(1, PIECE), *out = hf_alloc(1, room);
	bool ok = z != NULL && piece != NULL && out != NULL;
	ssize_t n = PIECE;

	while (ok && n == PIECE) {
		rest(to);
		n = read_piece(from, piece);
		if (n > 0)
			packed = libdeflate_gzip_compress(z, piece, (size_t)n, out, room);
		ok = n >= 0 && packed > 0 && (n == 0 || write_all(to, out, packed));
	}
	libdeflate_free_compressor(z);
	hf_free(piece);
	hf_free(out);
	return ok;
}

bool auditpack_copy(int from, int to)
{
	uint8_t *piece = hf_alloc(1, PIECE);
	bool ok = piece != NULL;
	ssize_t n = PIECE;

	while (ok && n == PIECE) {
		n = read_piece(from, piece);
		ok = n >= 0 && write_all(to, piece, (size_t)n);
	}
	hf_free(piece);
	return ok;
}

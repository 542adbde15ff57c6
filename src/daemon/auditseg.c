#include "auditseg.h"

#include <inttypes.h>
#include <unistd.h>

#include "crc.h"
#include "log.h"
#include "secret.h"

#define HEAD AUDITSEG_HEAD
#define TAIL AUDITSEG_TAIL
#define WINDOW ((size_t)262144) /* more than the largest record with head and tail */

enum hf_err auditseg_open(int fd, off_t at, off_t end, uint64_t expect, struct auditseg *ret)
{
	uint8_t *window = hf_alloc(1, WINDOW);

	if (window == NULL)
		return HF_E_MEMORY;
	*ret = (struct auditseg){ fd, at, end, expect, window, 0, 0 };
	return HF_OK;
}

void auditseg_done(struct auditseg *s)
{
	hf_free(s->window);
	s->window = NULL;
}

/* see returns n bytes of the file at `at`; NULL: so many are not there. */
static const uint8_t *see(struct auditseg *s, off_t at, size_t n)
{
	ssize_t got;

	if (at > s->end || (uint64_t)(s->end - at) < n)
		return NULL;
	if (at >= s->window_at && (size_t)(at - s->window_at) + n <= s->window_n)
		return s->window + (at - s->window_at);
	got = pread(s->fd, s->window, WINDOW, at);
	s->window_at = at;
	s->window_n = got > 0 ? (size_t)got : 0;
	return s->window_n >= n ? s->window : NULL;
}

/* framed_at: bytes that could be a record numbered low to high stand at `at`. */
static bool framed_at(struct auditseg *s, off_t at, uint64_t low, uint64_t high,
	struct auditseg_record *ret)
{
	const uint8_t *p = see(s, at, HEAD);
	uint64_t seq = p != NULL ? get_u64(p + 4) : 0;
	size_t n = p != NULL ? get_u32(p) : 0;

	if (p == NULL || seq < low || seq > high || n > AUDITSEG_RECORD_MAX)
		return false;
	p = see(s, at, HEAD + n + TAIL);
	if (p == NULL)
		return false;
	*ret = (struct auditseg_record){ .seq = seq, .bytes = { p + HEAD, n }, .at = at,
		.end = at + (off_t)(HEAD + n + TAIL) };
	ret->whole = crc32_of(ret->bytes) == get_u32(p + HEAD + n);
	return true;
}

/* find_whole looks behind the damage for a record; where there is none, *ret_end
 * is the end of the file. */
static bool find_whole(struct auditseg *s, struct auditseg_record *ret, off_t *ret_end)
{
	uint64_t most = (uint64_t)(s->end - s->at) / (HEAD + TAIL);

	for (off_t at = s->at + 1; s->end - at >= HEAD + TAIL; at++)
		if (framed_at(s, at, s->expect + 1, s->expect + most, ret) && ret->whole) {
			*ret_end = at;
			return true;
		}
	*ret_end = s->end;
	return false;
}

/* past_damage: what stands at s->at is no whole record with the right number. */
static bool past_damage(struct auditseg *s, struct auditseg_record *ret)
{
	struct auditseg_record next = { 0 };
	off_t end;
	bool found = find_whole(s, &next, &end);

	if (framed_at(s, s->at, s->expect, s->expect, ret) && ret->end == end &&
	    (!found || next.seq == s->expect + 1))
		return true;
	if (!found)
		return false;
	log_error("audit: records %" PRIu64 " to %" PRIu64 " are damaged and cannot be read",
		s->expect, next.seq - 1);
	return framed_at(s, next.at, next.seq, next.seq, ret);
}

bool auditseg_next(struct auditseg *s, struct auditseg_record *ret)
{
	if (s->at >= s->end)
		return false;
	if (!(framed_at(s, s->at, s->expect, s->expect, ret) && ret->whole) && !past_damage(s, ret))
		return false;
	s->at = ret->end;
	s->expect = ret->seq + 1;
	return true;
}

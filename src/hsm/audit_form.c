#include "audit_form.h"

static struct audit_record from_1(const struct audit_record_1 *o)
{
	return (struct audit_record){
		.format = o->format, .seq = o->seq, .prev = o->prev, .time_us = o->time_us,
		.mono_ns = o->mono_ns, .event = o->event, .kind = o->kind,
		.partition = o->partition, .partition_label = o->partition_label, .role = o->role,
		.uid = o->uid, .pid = o->pid, .program = o->program, .session = o->session,
		.request = o->request, .object = o->object, .object_label = o->object_label,
		.mechanism = o->mechanism, .result = o->result, .duration_ns = o->duration_ns,
		.detail = o->detail, .signature = o->signature,
	};
}

static struct audit_record_1 to_1(const struct audit_record *r)
{
	return (struct audit_record_1){
		.format = r->format, .seq = r->seq, .prev = r->prev, .time_us = r->time_us,
		.mono_ns = r->mono_ns, .event = r->event, .kind = r->kind,
		.partition = r->partition, .partition_label = r->partition_label, .role = r->role,
		.uid = r->uid, .pid = r->pid, .program = r->program, .session = r->session,
		.request = r->request, .object = r->object, .object_label = r->object_label,
		.mechanism = r->mechanism, .result = r->result, .duration_ns = r->duration_ns,
		.detail = r->detail, .signature = r->signature,
	};
}

bool audit_read(struct slice encoded, struct arena *a, struct audit_record *ret)
{
	struct rd r = rd_of(encoded);
	struct audit_record_1 old;

	if (encoded.n == 0 || encoded.p[0] < 1 || encoded.p[0] > AUDIT_FORMAT)
		return false;
	if (encoded.p[0] == AUDIT_FORMAT)
		return audit_record_dec(&r, a, ret) && rd_done(&r);
	if (!audit_record_1_dec(&r, a, &old) || !rd_done(&r))
		return false;
	*ret = from_1(&old);
	return true;
}

void audit_write(struct buf *b, const struct audit_record *r)
{
	struct audit_record_1 old;

	if (r->format == AUDIT_FORMAT) {
		audit_record_enc(b, r);
		return;
	}
	old = to_1(r);
	audit_record_1_enc(b, &old);
}

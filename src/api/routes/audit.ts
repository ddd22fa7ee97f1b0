import { listAuditEntries, listInstallationAudit } from '../../db/audit-log.js';
import { route } from '../route.js';
import { auditEntry } from '../schemas/audit.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';

export const getAudit = route({
  method: 'get',
  path: '/v1/audit',
  access: 'tenant',
  summary: 'List the changes that were made for the tenant: who, what, when',
  query: pageQuery,
  answer: listSchema(auditEntry),
  async handle({ db, tenant, query }) {
    const rows = await listAuditEntries(db, tenant.id, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const getInstallationAudit = route({
  method: 'get',
  path: '/v1/installation-audit',
  access: 'admin',
  summary: 'List the changes that admins made to the installation, and to no tenant',
  query: pageQuery,
  answer: listSchema(auditEntry),
  async handle({ pool, query }) {
    const rows = await listInstallationAudit(pool, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

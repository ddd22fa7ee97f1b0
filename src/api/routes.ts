import type { Route } from './route.js';
import { createApiKey, deleteApiKey, getApiKey, getApiKeys } from './routes/api-keys.js';
import { getAttempt, listCampaignAttempts } from './routes/attempts.js';
import { getAudit, getInstallationAudit } from './routes/audit.js';
import { getPreview, getWhy } from './routes/campaign-outlook.js';
import {
  archiveCampaign,
  cancelCampaign,
  pauseCampaign,
  resumeCampaign,
  startCampaign,
  unarchiveCampaign,
} from './routes/campaign-status.js';
import {
  changeCampaign,
  copyCampaign,
  createCampaign,
  deleteCampaignRoute,
  getCampaign,
  getCampaigns,
} from './routes/campaigns.js';
import { addContacts, listCampaignContacts } from './routes/contacts.js';
import { getDocsFile, getDocsPage, getOpenApi } from './routes/docs.js';
import {
  deleteErasureRoute,
  deleteInstallationErasureRoute,
  erasePerson,
  erasePersonEverywhere,
  getErasures,
  getInstallationErasures,
} from './routes/erasures.js';
import { getCampaignEvents, getEvents } from './routes/events.js';
import { exportAttempts, exportContacts } from './routes/exports.js';
import { getFlowSecret, makeFlowSecret } from './routes/flow-secret.js';
import {
  checkFlowRoute,
  createFlow,
  deleteFlowRoute,
  getFlow,
  getFlows,
  getFlowVersions,
  replaceFlowRoute,
} from './routes/flows.js';
import { getHealth, getReadiness } from './routes/health.js';
import { createImport, getImport, getImports, getRejected } from './routes/imports.js';

import { getInboundCalls } from './routes/inbound-calls.js';

import { createMessage, deleteMessageRoute, getAudio, getMessage, getMessages } from './routes/messages.js';

import { getPbxTrunks, setPbxTrunk } from './routes/pbx-trunks.js';
import { deleteRecordingRoute, getRecording, getRecordingAudio, getRecordings } from './routes/recordings.js';
import { getCampaignReport, getReport } from './routes/reports.js';
import {
  addInstallationNumbers,
  addToSuppressionList,
  changeSuppressionList,
  createSuppressionList,
  deleteSuppressionListRoute,
  getInstallationNumbers,
  getSuppressedNumbers,
  getSuppressionList,
  getSuppressionLists,
  removeFromSuppressionList,
  removeInstallationNumber,
} from './routes/suppressions.js';
import { changeTenant, createTenant, deleteTenantRoute, getTenant, getTenants } from './routes/tenants.js';
import {
  changeTransferDestination,
  createTransferDestination,
  deleteTransferDestinationRoute,
  getTransferDestination,
  getTransferDestinations,
} from './routes/transfer-destinations.js';
import { getTry, tryFlow } from './routes/tries.js';
import { changeTrunk, createTrunk, deleteTrunkRoute, getTrunk, getTrunks } from './routes/trunks.js';
import { getVoices } from './routes/voices.js';
import { getDeliveries, getDelivery, redeliverDelivery, testWebhook } from './routes/webhook-deliveries.js';
import {
  changeWebhook,
  createWebhook,
  deleteWebhookRoute,
  getWebhook,
  getWebhooks,
  rotateWebhookSecret,
} from './routes/webhooks.js';

/** Every route there is; the app mounts these and the OpenAPI document describes these. */
export const routes: readonly Route[] = [
  createTenant,
  getTenants,
  getTenant,
  changeTenant,
  deleteTenantRoute,
  createTrunk,
  getTrunks,
  getTrunk,
  changeTrunk,
  deleteTrunkRoute,
  getPbxTrunks,
  setPbxTrunk,
  createTransferDestination,
  getTransferDestinations,
  getTransferDestination,
  changeTransferDestination,
  deleteTransferDestinationRoute,
  createMessage,
  getMessages,
  getMessage,
  deleteMessageRoute,
  getAudio,
  getVoices,
  createFlow,
  checkFlowRoute,
  getFlows,
  getFlow,
  getFlowVersions,
  replaceFlowRoute,
  deleteFlowRoute,
  tryFlow,
  getTry,
  createCampaign,
  getCampaigns,
  getCampaign,
  changeCampaign,
  copyCampaign,
  deleteCampaignRoute,
  startCampaign,
  pauseCampaign,
  resumeCampaign,
  cancelCampaign,
  archiveCampaign,
  unarchiveCampaign,
  getPreview,
  getWhy,
  addContacts,
  listCampaignContacts,
  exportContacts,
  createImport,
  getImports,
  getImport,
  getRejected,
  listCampaignAttempts,
  getAttempt,
  getFlowSecret,
  makeFlowSecret,
  getRecordings,
  getRecording,
  getRecordingAudio,
  deleteRecordingRoute,
  createSuppressionList,
  getSuppressionLists,
  getSuppressionList,
  changeSuppressionList,
  addToSuppressionList,
  getSuppressedNumbers,
  deleteSuppressionListRoute,
  removeFromSuppressionList,
  addInstallationNumbers,
  getInstallationNumbers,
  removeInstallationNumber,
  erasePerson,
  getErasures,
  deleteErasureRoute,
  erasePersonEverywhere,
  getInstallationErasures,
  deleteInstallationErasureRoute,
  createApiKey,
  getApiKeys,
  getApiKey,
  deleteApiKey,
  exportAttempts,
  getCampaignReport,
  getReport,
  getInboundCalls,
  getEvents,
  getCampaignEvents,
  createWebhook,
  getWebhooks,
  getWebhook,
  changeWebhook,
  rotateWebhookSecret,
  testWebhook,
  getDeliveries,
  deleteWebhookRoute,
  getDelivery,
  redeliverDelivery,
  getAudit,
  getInstallationAudit,
  getHealth,
  getReadiness,
  getOpenApi(() => routes),
  getDocsPage,
  getDocsFile,
];

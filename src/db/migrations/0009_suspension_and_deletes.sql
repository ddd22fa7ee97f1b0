-- A tenant that is suspended places no call and may not use the API.
ALTER TABLE tenants ADD COLUMN suspended boolean NOT NULL DEFAULT false;

-- Deleting a campaign (src/db/delete-campaign.ts) runs as its tenant.
GRANT DELETE ON campaigns, contacts, attempts, campaign_zones TO campanile_tenant;

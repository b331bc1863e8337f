// usage: node sign_up.mjs ORIGIN PATH WRITE_KEY USER_ID EMAIL: one person signs up, by Segment's own library.
import { Analytics } from "@segment/analytics-node";

const [host, path, writeKey, userId, email] = process.argv.slice(2);
const analytics = new Analytics({ host, path, writeKey, maxRetries: 2 });
analytics.on("error", (error) => {
  console.error(error);
  process.exitCode = 1;
});
analytics.identify({ userId, traits: { email, firstName: "Node" } });
analytics.track({ userId, event: "Signed Up" });
await analytics.closeAndFlush({ timeout: 20_000 });

// A certified OpenID provider on this machine, for tests. The first argument is
// its configuration as JSON; see startProvider in provider_test.go. Whoever
// logs in is who the login page says, with any password.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const config = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${config.port}`;
const seconds = config.accessTokenSeconds ?? 3600;

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };

// What tests ask about: how often tokens were granted, by grant type.
const grants = {};
// Accounts that may not refresh any longer.
const gone = new Set();

const provider = new Provider(issuer, {
  clients: config.clients,
  jwks: { keys: [key] },
  cookies: { keys: ['not a secret: the provider is for tests'] },
  claims: {
    openid: ['sub', 'sid'],
    email: ['email', 'email_verified'],
    profile: ['name', 'picture', 'preferred_username'],
    groups: ['groups'],
  },
  scopes: ['openid', 'email', 'profile', 'groups', 'offline_access'],
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: {
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: true },
    userinfo: { enabled: true },
  },
  ttl: {
    AccessToken: () => seconds, AuthorizationCode: 60, IdToken: () => seconds, Interaction: 600,
    RefreshToken: 86400, Grant: 86400, Session: 86400,
  },
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  // Logout notifications go to programs on this machine.
  fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
  findAccount: async (ctx, id) => (gone.has(id) ? undefined : {
    accountId: id,
    claims: async () => ({
      sub: id,
      email: `${id}@example.com`,
      email_verified: !id.startsWith('unverified'),
      name: id[0].toUpperCase() + id.slice(1),
      preferred_username: id,
      groups: id === 'ada' ? ['staff', 'admins'] : ['staff'],
    }),
  }),
});

provider.on('grant.success', (ctx) => {
  const type = ctx.oidc.params.grant_type;
  grants[type] = (grants[type] ?? 0) + 1;
});
for (const event of ['server_error', 'grant.error', 'authorization.error', 'backchannel.error']) {
  provider.on(event, (...args) => console.error(event, args.find((a) => a instanceof Error)));
}

const handle = provider.callback();
createServer((request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname === '/test/grants') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(grants));
  } else if (url.pathname === '/test/gone') {
    gone.add(url.searchParams.get('account'));
    response.end();
  } else {
    handle(request, response);
  }
}).listen(config.port, '127.0.0.1', () => console.log(`ready ${issuer}`));

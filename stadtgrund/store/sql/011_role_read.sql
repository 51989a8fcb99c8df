-- What the role of a profile may not do by default. A courtesy, as a session may lift it: the wall is the grants.
ALTER ROLE {role} SET default_transaction_read_only = on;
ALTER ROLE {role} SET statement_timeout = {timeout};
ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';

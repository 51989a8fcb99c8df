-- The membership that 020 took for the length of the script is given back.
DO $member$
BEGIN
    IF NOT current_setting('stadtgrund.member')::boolean THEN
        REVOKE {owner} FROM CURRENT_USER;
    END IF;
END
$member$;
